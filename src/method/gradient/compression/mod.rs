//! `method.compression`: gradients in fewer bytes.
//!
//! A [`Codec`] turns a gradient (P) into the very bytes that cross the network, and back. Codecs
//! that are unbiased give the gradient in the mean; the others lose something, which the worker
//! that sent it adds to its next gradient (error feedback, `merge/compressed.rs`).
//!
//! | name | bytes a parameter | |
//! | --- | --- | --- |
//! | `qsgd:BITS,BUCKET` | (BITS + 32 / BUCKET) / 8, fewer with `elias` or `sparse` | unbiased |
//! | `one-bit` | 1/8, and 8 a column | error feedback |
//! | `top-k:SHARE` | 8 SHARE | error feedback |
//! | `power-sgd:RANK` | 4 RANK (I + O) a weight of I by O | error feedback |
//! | `natural` | 9/8 | unbiased |
//! | `tern-grad` | 1/5 | unbiased but for clipping |

mod bits;
mod elias;
mod natural;
mod one_bit;
mod qsgd;
mod tern_grad;
mod top_k;

pub use bits::{BitReader, BitWriter};
pub use elias::{read_elias, write_elias};
pub use natural::Natural;
pub use one_bit::OneBit;
pub use qsgd::{Coding, Qsgd, Scale};
pub use tern_grad::TernGrad;
pub use top_k::TopK;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::network::Layout;
use crate::seed::{GOLDEN, Purpose, derive, mix};

/// Uniform random numbers, one after the other: those of one worker's gradient of one update.
/// Class A.
#[derive(Clone, Debug)]
pub struct Draws(u64);

impl Draws {
    /// The numbers of a worker's gradient.
    pub fn new(seed: u64, update: u64, worker: usize) -> Self {
        Draws(derive(seed, Purpose::Compression, update, worker as u64, 0))
    }

    /// The next number, from 0 up to but not including 1, with 24 bits.
    pub fn uniform(&mut self) -> f32 {
        self.0 = self.0.wrapping_add(GOLDEN);
        (mix(self.0) >> 40) as f32 / 16_777_216.0
    }
}

/// From a gradient to bytes and back. Class A.
pub trait Codec: Send + Sync {
    /// The bytes that stand for a gradient (P) of finite numbers.
    fn encode(&self, gradient: &[f32], draws: &mut Draws) -> Vec<u8>;

    /// Writes what the bytes stand for (P), finite numbers whatever they are. Bytes that are missing
    /// are zeros, and so are numbers that are none.
    fn decode(&self, bytes: &[u8], gradient: &mut [f32]);

    /// Whether what the bytes stand for is the gradient in the mean.
    fn is_unbiased(&self) -> bool;
}

/// A way to compress gradients, as it is written in an experiment file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Compression {
    /// `"none"`
    #[default]
    None,
    /// `"qsgd:BITS,BUCKET[,norm][,elias|,sparse]"`
    Qsgd {
        /// Bits of a number, its sign among them.
        bits: u32,
        /// Numbers that share a scale.
        bucket: usize,
        /// What that is.
        scale: Scale,
        /// How whole numbers are written.
        coding: Coding,
    },
    /// `"one-bit"`
    OneBit,
    /// `"top-k:SHARE"`
    TopK(f64),
    /// `"power-sgd:RANK"`
    PowerSgd(usize),
    /// `"natural"`
    Natural,
    /// `"tern-grad"`
    TernGrad,
}

impl Compression {
    /// The codec for networks of this layout; none where gradients are not sent one by one.
    pub fn codec(self, layout: &Layout) -> Option<Box<dyn Codec>> {
        match self {
            Compression::None | Compression::PowerSgd(_) => None,
            Compression::Qsgd { bits, bucket, scale, coding } => {
                Some(Box::new(Qsgd { bits, bucket, scale, coding }))
            }
            Compression::OneBit => Some(Box::new(OneBit::new(layout))),
            Compression::TopK(share) => Some(Box::new(TopK { share })),
            Compression::Natural => Some(Box::new(Natural)),
            Compression::TernGrad => Some(Box::new(TernGrad::new(layout))),
        }
    }

    /// Whether a worker adds what was lost to its next gradient, if nothing else is said.
    pub fn feeds_back(self) -> bool {
        matches!(self, Compression::OneBit | Compression::TopK(_) | Compression::PowerSgd(_))
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Compression::None => f.write_str("none"),
            Compression::Qsgd { bits, bucket, scale, coding } => {
                write!(f, "qsgd:{bits},{bucket}")?;
                f.write_str(if *scale == Scale::Norm { ",norm" } else { "" })?;
                f.write_str(match coding {
                    Coding::Packed => "",
                    Coding::Elias => ",elias",
                    Coding::Sparse => ",sparse",
                })
            }
            Compression::OneBit => f.write_str("one-bit"),
            Compression::TopK(share) => write!(f, "top-k:{share:?}"),
            Compression::PowerSgd(rank) => write!(f, "power-sgd:{rank}"),
            Compression::Natural => f.write_str("natural"),
            Compression::TernGrad => f.write_str("tern-grad"),
        }
    }
}

impl From<Compression> for String {
    fn from(compression: Compression) -> Self {
        compression.to_string()
    }
}

impl TryFrom<String> for Compression {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl FromStr for Compression {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |why: &str| {
            format!(
                "`{text}` {why}; expected none, qsgd:BITS,BUCKET (such as qsgd:4,512, and then norm, \
                 elias or sparse), one-bit, top-k:SHARE (such as top-k:0.01), power-sgd:RANK (such as \
                 power-sgd:2), natural or tern-grad"
            )
        };
        let (name, rest) = text.split_once(':').unwrap_or((text, ""));
        match (name, rest) {
            ("none", "") => Ok(Compression::None),
            ("one-bit", "") => Ok(Compression::OneBit),
            ("natural", "") => Ok(Compression::Natural),
            ("tern-grad", "") => Ok(Compression::TernGrad),
            ("top-k", share) => match share.parse() {
                Ok(share) if share > 0.0 && share <= 1.0 => Ok(Compression::TopK(share)),
                _ => Err(wrong("has no share above 0 and at most 1")),
            },
            ("power-sgd", rank) => match rank.parse() {
                Ok(rank) if (1..=1024).contains(&rank) => Ok(Compression::PowerSgd(rank)),
                _ => Err(wrong("has no rank from 1 to 1024")),
            },
            ("qsgd", rest) => {
                let mut words = rest.split(',').map(str::trim);
                let bits = words.next().and_then(|word| word.parse().ok());
                let bits = bits.filter(|bits| (2..=16).contains(bits));
                let bits = bits.ok_or_else(|| wrong("has no number of bits from 2 to 16"))?;
                let bucket = words.next().and_then(|word| word.parse().ok());
                let bucket = bucket.filter(|bucket| (1..=1 << 24).contains(bucket));
                let bucket =
                    bucket.ok_or_else(|| wrong("has no bucket of 1 to 16777216 numbers"))?;
                let (mut scale, mut coding) = (Scale::Largest, Coding::Packed);
                for word in words {
                    match word {
                        "max" => scale = Scale::Largest,
                        "norm" => scale = Scale::Norm,
                        "packed" => coding = Coding::Packed,
                        "elias" => coding = Coding::Elias,
                        "sparse" => coding = Coding::Sparse,
                        _ => return Err(wrong("has a word that means nothing here")),
                    }
                }
                Ok(Compression::Qsgd { bits, bucket, scale, coding })
            }
            _ => Err(wrong("is no compression")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::Architecture;
    use proptest::prelude::*;

    const ALL: [&str; 10] = [
        "qsgd:4,64",
        "qsgd:2,16,norm",
        "qsgd:8,100,elias",
        "qsgd:3,50,norm,sparse",
        "qsgd:6,7,norm,elias",
        "one-bit",
        "top-k:0.1",
        "top-k:1.0",
        "natural",
        "tern-grad",
    ];

    fn layout() -> Layout {
        Architecture::perceptron(9, vec![7], 3).layout()
    }

    fn codec(name: &str) -> Box<dyn Codec> {
        name.parse::<Compression>().unwrap().codec(&layout()).unwrap()
    }

    fn decoded(codec: &dyn Codec, bytes: &[u8], length: usize) -> Vec<f32> {
        let mut decoded = vec![f32::NAN; length];
        codec.decode(bytes, &mut decoded);
        decoded
    }

    #[test]
    fn names_read_back_as_they_are_written_and_others_are_refused() {
        for name in ALL.iter().chain(&["none", "power-sgd:2"]) {
            assert_eq!(name.parse::<Compression>().unwrap().to_string(), *name);
        }
        for (name, says) in [
            ("zip", "no compression"),
            ("qsgd", "number of bits"),
            ("qsgd:1,512", "from 2 to 16"),
            ("qsgd:4", "bucket"),
            ("qsgd:4,512,huffman", "means nothing"),
            ("top-k:0", "share"),
            ("top-k:2", "share"),
            ("power-sgd:0", "rank"),
            ("one-bit:3", "no compression"),
        ] {
            assert!(name.parse::<Compression>().unwrap_err().contains(says), "{name}");
        }
    }

    #[test]
    fn unbiased_codecs_give_the_gradient_in_the_mean() {
        let gradient: Vec<f32> = (0..94).map(|k| ((k * 37 % 41) as f32 - 20.0) / 17.0).collect();
        for name in ALL {
            let codec = codec(name);
            // No number is beyond 2.5 standard deviations, where tern-grad would clip.
            if !codec.is_unbiased() {
                continue;
            }
            let rounds = 4000;
            let (mut sum, mut squares) = (vec![0.0_f64; 94], vec![0.0_f64; 94]);
            for update in 0..rounds {
                let mut draws = Draws::new(3, update, 0);
                let got = decoded(codec.as_ref(), &codec.encode(&gradient, &mut draws), 94);
                for (k, &x) in got.iter().enumerate() {
                    sum[k] += f64::from(x);
                    squares[k] += f64::from(x) * f64::from(x);
                }
            }
            for k in 0..94 {
                let mean = sum[k] / rounds as f64;
                let deviation = (squares[k] / rounds as f64 - mean * mean).max(0.0).sqrt();
                let off = (mean - f64::from(gradient[k])).abs();
                assert!(
                    off <= 5.0 * deviation / (rounds as f64).sqrt() + 1e-6,
                    "{name} {k}: {off}"
                );
            }
        }
    }

    proptest! {
        #[test]
        fn what_was_decoded_encodes_to_itself_and_never_panics(
            numbers in prop::collection::vec(-1e3f32..1e3, 94), zeros in 0usize..94,
        ) {
            let mut numbers = numbers;
            numbers[..zeros].fill(0.0);
            for name in ALL {
                let codec = codec(name);
                let bytes = codec.encode(&numbers, &mut Draws::new(1, 2, 3));
                let once = decoded(codec.as_ref(), &bytes, 94);
                prop_assert!(once.iter().all(|x| x.is_finite()), "{}", name);
                for (&x, &y) in numbers.iter().zip(&once) {
                    // Signs survive; what is zero stays so, but in one bit.
                    prop_assert!(name == "one-bit" || x == 0.0 || x * y >= 0.0, "{name}");
                    prop_assert!(name == "one-bit" || x != 0.0 || y == 0.0, "{name}");
                }
                // The same numbers give the same bytes.
                prop_assert_eq!(&bytes, &codec.encode(&numbers, &mut Draws::new(1, 2, 3)));
            }
        }

        #[test]
        fn any_bytes_decode_to_finite_numbers(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            for name in ALL {
                let numbers = decoded(codec(name).as_ref(), &bytes, 94);
                prop_assert!(numbers.iter().all(|x| x.is_finite()), "{name}: {numbers:?}");
            }
        }
    }
}
