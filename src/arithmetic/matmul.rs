//! Matrix multiplies in one format for a network that computes in another.

use std::ops::Range;

use super::{
    Accumulate, Arithmetic, Bf16, F32, Fixed, Format, Formats, InArithmetic, Int8, Lns, NotFinite,
    Number, Product,
};

/// Matrix multiplies in one format, with `f32` at both ends. It holds tensors, each in a place
/// with a number.
pub trait Matmul: Send {
    /// Puts a tensor into a place, rounded to the format. Places that do not exist yet are made.
    ///
    /// # Errors
    /// If a number is NaN or infinite and the format has no such thing.
    fn load(&mut self, place: usize, tensor: &[f32]) -> Result<(), NotFinite>;

    /// `y = x W`, where W is all of one tensor and x a part of another.
    ///
    /// # Panics
    /// If a place is empty, or W does not have as many elements as x times y.
    fn multiply(&mut self, x: usize, part: Range<usize>, weights: usize, y: &mut [f32]);

    /// `y = x W` for an `x` that is a tensor of its own and is needed once.
    ///
    /// # Errors
    /// As [`Matmul::load`].
    ///
    /// # Panics
    /// As [`Matmul::multiply`].
    fn multiply_once(&mut self, x: &[f32], weights: usize, y: &mut [f32]) -> Result<(), NotFinite>;
}

/// The matrix multiplies that `formats` ask for, or nothing if those of `elsewhere` will do.
pub fn matmul(formats: &Formats) -> Option<Box<dyn Matmul>> {
    if formats.is_uniform() {
        return None;
    }
    let inside = Formats { elsewhere: formats.matmul, ..*formats };
    Some(match (formats.matmul, formats.accumulate) {
        (Format::Int8, _) => Box::new(Places::new(Int8)),
        (Format::F32, _) => Box::new(Plain::default()),
        // What comes in is of the format already, and rounding it again would change nothing.
        (format, Accumulate::Linear) if format == formats.elsewhere => Box::new(Plain::default()),
        (_, Accumulate::Linear) => inside.elsewhere(SummedLinearly),
        (Format::Bf16, Accumulate::Log) => Box::new(Places::new(Bf16)),
        (Format::Fixed { bits, fraction }, Accumulate::Log) => {
            Box::new(Places::new(Fixed::new(bits, fraction)))
        }
        (Format::Lns { bits, fraction }, Accumulate::Log) => {
            Box::new(Places::new(Lns::new(bits, fraction, formats.lns_addition)))
        }
    })
}

struct SummedLinearly;

impl InArithmetic for SummedLinearly {
    type Output = Box<dyn Matmul>;

    fn with<A: Arithmetic>(self, arithmetic: A) -> Box<dyn Matmul> {
        Box::new(Places::new(Linear(arithmetic)))
    }
}

/// Operands rounded to a format, products and sums in `f32`: a wide accumulator. The sums are
/// those of an `f32` layer, in their order.
#[derive(Clone)]
struct Linear<A>(A);

impl<A: Arithmetic> Product for Linear<A> {
    type Value = f32;
    type Sum = f32;

    const ZERO: f32 = 0.0;

    fn format(&self) -> Format {
        self.0.format()
    }

    fn encode(&self, from: &[f32], to: &mut [f32]) -> Result<f32, NotFinite> {
        const PIECE: usize = 256;
        let mut words = [A::ZERO; PIECE];
        for (piece, (from, to)) in from.chunks(PIECE).zip(to.chunks_mut(PIECE)).enumerate() {
            let words = &mut words[..from.len()];
            self.0
                .encode(from, words)
                .map_err(|NotFinite { index }| NotFinite { index: piece * PIECE + index })?;
            self.0.decode(words, to);
        }
        Ok(1.0)
    }

    fn product(&self, weights: &[f32], x: &[f32], sums: &mut [f32]) {
        F32.product(weights, x, sums);
    }

    fn decode_sums(&self, sums: &[f32], _scale: f32, to: &mut [f32]) {
        to.copy_from_slice(sums);
    }
}

/// Multiplies of `f32`, where nothing is converted.
#[derive(Default)]
struct Plain {
    tensors: Vec<Vec<f32>>,
}

impl Matmul for Plain {
    fn load(&mut self, place: usize, tensor: &[f32]) -> Result<(), NotFinite> {
        if self.tensors.len() <= place {
            self.tensors.resize_with(place + 1, Vec::new);
        }
        let stored = &mut self.tensors[place];
        stored.clear();
        stored.extend_from_slice(tensor);
        Ok(())
    }

    fn multiply(&mut self, x: usize, part: Range<usize>, weights: usize, y: &mut [f32]) {
        F32.product(&self.tensors[weights], &self.tensors[x][part], y);
    }

    fn multiply_once(&mut self, x: &[f32], weights: usize, y: &mut [f32]) -> Result<(), NotFinite> {
        F32.product(&self.tensors[weights], x, y);
        Ok(())
    }
}

/// Tensors in a format, and room for one more and for sums.
struct Places<P: Product> {
    format: P,
    tensors: Vec<Tensor<P::Value>>,
    once: Tensor<P::Value>,
    sums: Vec<P::Sum>,
}

struct Tensor<V> {
    values: Vec<V>,
    scale: f32,
}

impl<V> Tensor<V> {
    const NONE: Self = Tensor { values: Vec::new(), scale: 1.0 };
}

impl<V: Number> Tensor<V> {
    fn load<P: Product<Value = V>>(&mut self, format: &P, from: &[f32]) -> Result<(), NotFinite> {
        self.values.resize(from.len(), P::ZERO);
        self.scale = format.encode(from, &mut self.values)?;
        Ok(())
    }
}

impl<P: Product> Places<P> {
    fn new(format: P) -> Self {
        Places { format, tensors: Vec::new(), once: Tensor::NONE, sums: Vec::new() }
    }
}

/// `y = x W`, where x is a part of a tensor.
fn multiply<P: Product>(
    format: &P,
    x: &Tensor<P::Value>,
    part: Range<usize>,
    weights: &Tensor<P::Value>,
    sums: &mut Vec<P::Sum>,
    y: &mut [f32],
) {
    if sums.len() < y.len() {
        sums.resize(y.len(), bytemuck::Zeroable::zeroed());
    }
    let sums = &mut sums[..y.len()];
    format.product(&weights.values, &x.values[part], sums);
    format.decode_sums(sums, x.scale * weights.scale, y);
}

impl<P: Product> Matmul for Places<P> {
    fn load(&mut self, place: usize, tensor: &[f32]) -> Result<(), NotFinite> {
        if self.tensors.len() <= place {
            self.tensors.resize_with(place + 1, || Tensor::NONE);
        }
        self.tensors[place].load(&self.format, tensor)
    }

    fn multiply(&mut self, x: usize, part: Range<usize>, weights: usize, y: &mut [f32]) {
        let Places { format, tensors, sums, .. } = self;
        multiply(format, &tensors[x], part, &tensors[weights], sums, y);
    }

    fn multiply_once(&mut self, x: &[f32], weights: usize, y: &mut [f32]) -> Result<(), NotFinite> {
        let Places { format, tensors, once, sums } = self;
        once.load(format, x)?;
        multiply(format, once, 0..x.len(), &tensors[weights], sums, y);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_multiplies_as_f32_does_but_for_its_rounding() {
        let weights: Vec<f32> = (0..60).map(|k| ((k * 7 % 31) as f32 - 15.0) / 16.0).collect();
        let x = [0.5, -0.25, 1.0, 0.0, 0.75, -1.0];
        let mut exact = [0.0; 10];
        F32.product(&weights, &x, &mut exact);
        for name in ["bf16", "int8", "fixed16.10", "lns16.10", "lns12.6"] {
            for accumulate in [Accumulate::Log, Accumulate::Linear] {
                let formats = Formats {
                    accumulate,
                    elsewhere: Format::F32,
                    ..Formats::uniform(name.parse().unwrap())
                };
                let mut matmul = matmul(&formats).expect("not uniform");
                matmul.load(2, &weights).unwrap();
                matmul.load(0, &x).unwrap();
                let mut y = [f32::NAN; 10];
                matmul.multiply(0, 0..6, 2, &mut y);
                for (y, exact) in y.iter().zip(exact) {
                    assert!((y - exact).abs() < 0.06, "{formats}: {y} for {exact}");
                }
                let refused = matmul.load(1, &[1.0, f32::INFINITY]).is_err();
                assert_eq!(refused, name != "bf16");
            }
        }
    }

    #[test]
    fn one_format_for_everything_needs_no_conversions() {
        for name in ["f32", "bf16", "fixed16.10", "lns12.6"] {
            let formats = Formats::uniform(name.parse().unwrap());
            assert!(matmul(&formats).is_none());
            let linear = Formats { accumulate: Accumulate::Linear, ..formats };
            assert_eq!(matmul(&linear).is_none(), name == "f32");
        }
    }
}
