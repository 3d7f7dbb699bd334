//! What a computation would ask of hardware: counted while it runs, not estimated from shapes.
//!
//! What is counted of a multiply-accumulate depends on the format:
//!
//! | format | a product | its addition to the sum |
//! | --- | --- | --- |
//! | `f32`, `bf16`, `int8`, fixed point | 1 multiplication | 1 addition |
//! | LNS | 1 addition of logarithms | 1 subtraction and 1 addition of logarithms, 1 look-up of G |
//! | LNS with `table:N` | 1 addition of logarithms | 2 look-ups, 1 multiplication and 4 additions |
//! | LNS with `mitchell` | 1 addition of logarithms | 4 additions; shifts are not counted |
//! | LNS, summed linearly | 1 addition of logarithms | 1 look-up of the power, 1 addition |
//!
//! Products with a zero input are skipped, and so are their weights. Bits are moved when a weight
//! is read and when a layer's input is read or its output written. Comparisons, such as those of
//! relu, are not counted.

use serde::Serialize;

use crate::arithmetic::{Accumulate, Activation, Format, Formats, LnsAddition, UpdateRule};

/// Operations, by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Operations {
    /// Multiplications and divisions.
    pub multiplications: u64,
    /// Additions and subtractions, those of logarithms included.
    pub additions: u64,
    /// Words read from a table.
    pub look_ups: u64,
    /// tanh and exp that are computed and not looked up.
    pub functions: u64,
    /// Numbers converted between two formats.
    pub conversions: u64,
    /// Bits of weights, inputs and outputs.
    pub bits_moved: u64,
}

impl std::ops::AddAssign for Operations {
    fn add_assign(&mut self, other: Self) {
        self.multiplications += other.multiplications;
        self.additions += other.additions;
        self.look_ups += other.look_ups;
        self.functions += other.functions;
        self.conversions += other.conversions;
        self.bits_moved += other.bits_moved;
    }
}

fn is_logarithmic(format: Format) -> bool {
    matches!(format, Format::Lns { .. })
}

impl Operations {
    /// So many products, each added to a sum.
    pub(super) fn products(formats: &Formats, count: u64) -> Self {
        let linear = formats.accumulate == Accumulate::Linear;
        match (is_logarithmic(formats.matmul), linear) {
            (false, _) => {
                Operations { multiplications: count, additions: count, ..Self::default() }
            }
            (true, false) => {
                let mut all = Self::logarithmic_sums(formats, count);
                all.additions += count;
                all
            }
            (true, true) => Operations { additions: 2 * count, look_ups: count, ..Self::default() },
        }
    }

    /// So many sums of two numbers outside matrix multiplies.
    pub(super) fn sums(formats: &Formats, count: u64) -> Self {
        if is_logarithmic(formats.elsewhere) {
            Self::logarithmic_sums(formats, count)
        } else {
            Operations { additions: count, ..Self::default() }
        }
    }

    /// So many sums of two logarithmic numbers: a subtraction finds the distance, an addition adds
    /// what G says.
    fn logarithmic_sums(formats: &Formats, count: u64) -> Self {
        let sums = Operations { additions: 2 * count, ..Self::default() };
        match formats.lns_addition {
            LnsAddition::Exact => Operations { look_ups: count, ..sums },
            // Two nodes, their difference, its share, and the sum.
            LnsAddition::Table(_) => Operations {
                look_ups: 2 * count,
                multiplications: count,
                additions: sums.additions + 2 * count,
                ..sums
            },
            // 1 + (1 - f), and for unlike signs 1 less that; shifts are not counted.
            LnsAddition::Mitchell => Operations { additions: sums.additions + 2 * count, ..sums },
        }
    }

    /// So many products or quotients outside matrix multiplies.
    pub(super) fn factors(formats: &Formats, count: u64) -> Self {
        if is_logarithmic(formats.elsewhere) {
            Operations { additions: count, ..Self::default() }
        } else {
            Operations { multiplications: count, ..Self::default() }
        }
    }

    /// So many values of tanh or exp.
    pub(super) fn functions(formats: &Formats, count: u64) -> Self {
        match formats.elsewhere {
            Format::F32 | Format::Bf16 => Operations { functions: count, ..Self::default() },
            _ => Operations { look_ups: count, ..Self::default() },
        }
    }

    /// So many values of an activation.
    pub(super) fn activations(formats: &Formats, activation: Activation, count: u64) -> Self {
        match activation {
            Activation::Tanh => Self::functions(formats, count),
            Activation::Relu => Self::default(),
        }
    }

    /// A layer of `outputs` outputs for one input vector, of whose elements `active` are not zero.
    pub(super) fn layer(
        formats: &Formats,
        inputs: u64,
        active: u64,
        outputs: u64,
        bias: bool,
        activation: Option<Activation>,
    ) -> Self {
        let mut all = Self::products(formats, active * outputs);
        if bias && !formats.is_uniform() {
            all += Self::sums(formats, outputs);
        }
        if let Some(activation) = activation {
            all += Self::activations(formats, activation, outputs);
        }
        let (inside, outside) =
            (u64::from(formats.matmul.bits()), u64::from(formats.elsewhere.bits()));
        let biases = if bias { outputs } else { 0 };
        all.bits_moved += active * outputs * inside + (inputs + outputs + biases) * outside;
        if !formats.is_uniform() && formats.matmul != formats.elsewhere {
            all.conversions += inputs + outputs;
        }
        all
    }

    /// So many weights taking their step, by a rule.
    pub(super) fn steps(formats: &Formats, rule: UpdateRule, count: u64) -> Self {
        let mut all = Self::factors(formats, count);
        let sums = if rule == UpdateRule::Kahan { 4 } else { 1 };
        all += Self::sums(formats, sums * count);
        // Read and written: the weight, its gradient read, and the residual if there is one.
        let words = if rule == UpdateRule::Kahan { 5 } else { 3 };
        all.bits_moved += words * count * u64::from(formats.elsewhere.bits());
        all
    }

    /// Picojoules, were each operation what it costs in 45 nm at 0.9 V: an estimate that leaves out
    /// control, leakage and everything between the operations.
    ///
    /// The figures are those of Horowitz, "Computing's energy problem" (ISSCC 2014,
    /// <https://doi.org/10.1109/ISSCC.2014.6757323>): multiplications 3.7 (f32), 1.1 (f16, taken for
    /// bf16), 3.1 (32-bit integer) and 0.2 (8-bit); additions 0.9 (f32), 0.4 (f16), 0.1 (32-bit
    /// integer) and 0.03 (8-bit); 10 for 64 bits from a memory of 8 KB. Integer additions of other
    /// widths are taken in proportion to their bits and multiplications in proportion to the square;
    /// a look-up is a read of its word from such a memory, though a small table costs less. Functions
    /// and conversions are left out.
    pub fn picojoules(&self, formats: &Formats) -> f64 {
        let format = formats.matmul;
        let bits = f64::from(format.bits());
        let (multiplication, addition) = match format {
            Format::F32 => (3.7, 0.9),
            Format::Bf16 => (1.1, 0.4),
            Format::Int8 => (0.2, 0.1),
            Format::Fixed { .. } | Format::Lns { .. } => {
                (3.1 * (bits / 32.0) * (bits / 32.0), 0.1 * bits / 32.0)
            }
        };
        let per_bit = 10.0 / 64.0;
        self.multiplications as f64 * multiplication
            + self.additions as f64 * addition
            + (self.look_ups as f64 * bits + self.bits_moved as f64) * per_bit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn formats(name: &str) -> Formats {
        Formats::uniform(name.parse().unwrap())
    }

    #[test]
    fn a_layer_is_counted_as_its_format_computes_it() {
        let float = Operations::layer(&formats("f32"), 4, 3, 10, true, Some(Activation::Tanh));
        let expected = Operations {
            multiplications: 30,
            additions: 30,
            functions: 10,
            bits_moved: 32 * (30 + 4 + 10 + 10),
            ..Operations::default()
        };
        assert_eq!(float, expected);
        let lns = Operations::layer(&formats("lns12.6"), 4, 3, 10, true, Some(Activation::Tanh));
        let expected = Operations {
            additions: 90,
            look_ups: 40,
            bits_moved: 12 * (30 + 4 + 10 + 10),
            ..Operations::default()
        };
        assert_eq!(lns, expected);
    }

    #[test]
    fn formats_that_meet_are_converted_and_biases_added_outside() {
        let mixed = Formats { elsewhere: Format::F32, ..formats("int8") };
        let counted = Operations::layer(&mixed, 4, 4, 10, true, None);
        assert_eq!((counted.conversions, counted.additions), (14, 50));
        assert_eq!(counted.bits_moved, 40 * 8 + 24 * 32);
    }

    #[test]
    fn compensation_takes_four_sums_a_step() {
        let plain = Operations::steps(&formats("lns12.6"), UpdateRule::Plain, 5);
        let kahan = Operations::steps(&formats("lns12.6"), UpdateRule::Kahan, 5);
        assert_eq!((plain.look_ups, kahan.look_ups), (5, 20));
        assert_eq!((plain.additions, kahan.additions), (15, 45));
    }

    #[test]
    fn the_estimate_multiplies_counts_with_the_cited_figures() {
        let counted = Operations { multiplications: 10, additions: 10, ..Operations::default() };
        assert!((counted.picojoules(&formats("f32")) - 46.0).abs() < 1e-9);
        let read = Operations { look_ups: 1, ..Operations::default() };
        assert!((read.picojoules(&formats("lns16.10")) - 2.5).abs() < 1e-9);
    }
}
