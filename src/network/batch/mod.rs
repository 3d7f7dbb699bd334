//! One network for many inputs at a time, and for the many members around one theta.
//!
//! A member's weights are `W + s A^T B` of each layer, with B of shape (r, I) and A of shape (r, O),
//! and its biases `b + e` or `b - e`. They are never formed: row k of a layer is
//!
//! ```text
//! y = activation(x W + b + sum over j of t_j A_j ± e),    t_j = s (x B_j)
//! ```
//!
//! where `x W + b` of all rows is one product of two matrices, the dot of x and B_j is a layer of one
//! output, s multiplies it as a constant factor, and the terms are added in the order in which they
//! stand. Every row is computed as if it were alone, so what it gives does not depend on the rest of
//! the batch; without factors it is what [`Mlp`](super::Mlp) gives, to the bit.

mod layer_engine;
mod passes;
mod row_terms;

use self::passes::Batched;
use super::{Architecture, FactorLayout};
use crate::arithmetic::{Arithmetic, InArithmetic};

/// One row of a batch: an input and the member that meets it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row {
    /// Which of the inputs. Rows may share one.
    pub input: usize,
    /// The place of the member's factors.
    pub place: usize,
    /// s, by which the member takes its factors; where it is negative, the noise of the biases is
    /// subtracted.
    pub scale: f32,
}

/// A network for many rows, as the rest of the program sees it: f32 in, f32 out, whatever is inside.
/// Class A.
pub trait BatchNetwork: Send {
    /// Takes the parameters `theta` (P) that all rows share, as [`Network::load`] does.
    ///
    /// # Panics
    /// If `theta` does not have P elements.
    ///
    /// [`Network::load`]: super::Network::load
    fn load(&mut self, theta: &[f32]);

    /// Puts a member's factors, in the order of a [`FactorLayout`], into a place, rounded to the
    /// network's format. Places that do not exist yet are made.
    ///
    /// # Panics
    /// If there are not as many factors as the layout says.
    fn place(&mut self, place: usize, factors: &[f32]);

    /// Computes the outputs of each row, one after the other, from the inputs. Where a number has no
    /// place in the format, the outputs of the rows that it reaches are NaN. Allocates nothing when
    /// it has seen as many rows and inputs before.
    ///
    /// # Panics
    /// If a slice has another length, or a row names what does not exist.
    fn forward(&mut self, rows: &[Row], inputs: &[f32], outputs: &mut [f32]);
}

impl Architecture {
    /// A network of this architecture for many rows, with all parameters zero, whose members have
    /// factors of rank `rank`; with 0 they have none, and every row is theta's.
    pub fn batch_network(&self, rank: usize) -> Box<dyn BatchNetwork> {
        self.formats.elsewhere(MakeBatchNetwork { architecture: self, rank })
    }

    /// Where the factors of a member of rank `rank` lie.
    pub fn factors(&self, rank: usize) -> FactorLayout {
        FactorLayout::of(self, rank)
    }
}

struct MakeBatchNetwork<'a> {
    architecture: &'a Architecture,
    rank: usize,
}

impl InArithmetic for MakeBatchNetwork<'_> {
    type Output = Box<dyn BatchNetwork>;

    fn with<A: Arithmetic>(self, arithmetic: A) -> Box<dyn BatchNetwork> {
        Box::new(Batched::new(arithmetic, self.architecture, self.rank))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arithmetic::{Accumulate, Formats};
    use crate::noise::Noise;
    use crate::seed::Purpose;

    fn architecture(hidden: &[usize], formats: Formats, bias: bool) -> Architecture {
        Architecture { bias, formats, ..Architecture::perceptron(5, hidden.to_vec(), 3) }
    }

    fn normals(member: u64, length: usize, scale: f32) -> Vec<f32> {
        let mut values = vec![0.0; length];
        Noise::new(3, Purpose::Initial).fill(0, member, &mut values);
        values.iter_mut().for_each(|value| *value *= scale);
        values
    }

    fn all_formats() -> Vec<Formats> {
        let uniform = ["f32", "bf16", "fixed16.10", "fixed8.4", "lns12.6", "lns8.3"]
            .map(|name| Formats::uniform(name.parse().unwrap()));
        let inside = Formats::uniform("int8".parse().unwrap());
        let linear = Formats { accumulate: Accumulate::Linear, ..uniform[4] };
        uniform.into_iter().chain([inside, linear]).collect()
    }

    fn bits(values: &[f32]) -> Vec<u32> {
        values.iter().map(|value| value.to_bits()).collect()
    }

    #[test]
    fn without_factors_every_row_is_that_of_the_network_for_one_input() {
        for formats in all_formats() {
            for hidden in [&[][..], &[8], &[33, 9]] {
                let architecture = architecture(hidden, formats, true);
                let theta = normals(1, architecture.layout().parameters(), 0.4);
                let inputs = normals(2, 11 * 5, 1.0);
                let (mut one, mut many) = (architecture.network(), architecture.batch_network(0));
                one.load(&theta);
                many.load(&theta);
                // In another order, and one of them twice.
                let rows: Vec<Row> = [3, 1, 4, 0, 10, 2, 3, 7]
                    .map(|input| Row { input, place: 0, scale: 0.0 })
                    .to_vec();
                let mut outputs = vec![0.0; rows.len() * 3];
                many.forward(&rows, &inputs, &mut outputs);
                for (row, outputs) in rows.iter().zip(outputs.chunks(3)) {
                    let mut expected = [0.0; 3];
                    one.forward(&inputs[row.input * 5..][..5], &mut expected);
                    assert_eq!(bits(outputs), bits(&expected), "{formats} {hidden:?}");
                }
            }
        }
    }

    #[test]
    fn what_a_row_gives_does_not_depend_on_the_rest_of_the_batch() {
        for formats in all_formats() {
            for (rank, bias) in [(1, true), (3, false)] {
                let architecture = architecture(&[20, 7], formats, bias);
                let layout = architecture.factors(rank);
                let mut network = architecture.batch_network(rank);
                network.load(&normals(1, architecture.layout().parameters(), 0.4));
                for place in 0..4 {
                    network.place(place, &normals(10 + place as u64, layout.len(), 1.0));
                }
                let inputs = normals(2, 6 * 5, 1.0);
                let rows: Vec<Row> = (0..13)
                    .map(|k| Row {
                        input: k * 5 % 6,
                        place: k / 2 % 4,
                        scale: if k % 2 == 0 { 0.1 } else { -0.1 },
                    })
                    .collect();
                let mut together = vec![0.0; rows.len() * 3];
                network.forward(&rows, &inputs, &mut together);
                for (row, together) in rows.iter().zip(together.chunks(3)) {
                    let mut alone = [0.0; 3];
                    let input = &inputs[row.input * 5..][..5];
                    network.forward(&[Row { input: 0, ..*row }], input, &mut alone);
                    assert_eq!(bits(together), bits(&alone), "{formats}, rank {rank}");
                }
                // Both sides of a pair are there, and differ.
                let mut pair = [0.0; 6];
                let sides = [0.1, -0.1].map(|scale| Row { input: 0, place: 1, scale });
                network.forward(&sides, &inputs[..5], &mut pair);
                assert_ne!(pair[..3], pair[3..], "{formats}");
            }
        }
    }

    #[test]
    fn a_member_is_the_network_with_its_factors_multiplied_out() {
        let architecture = architecture(&[20], Formats::default(), true);
        let (rank, scale) = (2, -0.3);
        let layout = architecture.factors(rank);
        let theta = normals(1, architecture.layout().parameters(), 0.4);
        let factors = normals(9, layout.len(), 1.0);
        let mut dense = theta.clone();
        for layer in &layout.layers {
            let (b, a) = (&factors[layer.b.clone()], &factors[layer.a.clone()]);
            for (i, row) in dense[layer.weight.clone()].chunks_mut(layer.outputs).enumerate() {
                for (o, w) in row.iter_mut().enumerate() {
                    *w += (0..rank)
                        .map(|j| scale * b[j * layer.inputs + i] * a[j * layer.outputs + o])
                        .sum::<f32>();
                }
            }
            for (b, e) in dense[layer.weight.end..].iter_mut().zip(&factors[layer.bias.clone()]) {
                *b -= e;
            }
        }
        let mut many = architecture.batch_network(rank);
        many.load(&theta);
        many.place(0, &factors);
        let mut one = architecture.network();
        one.load(&dense);
        let input = normals(2, 5, 1.0);
        let (mut ours, mut expected) = ([0.0; 3], [0.0; 3]);
        many.forward(&[Row { input: 0, place: 0, scale }], &input, &mut ours);
        one.forward(&input, &mut expected);
        for (ours, expected) in ours.iter().zip(expected) {
            assert!((ours - expected).abs() < 1e-4, "{ours} for {expected}");
        }
    }

    #[test]
    fn a_number_that_the_format_lacks_spoils_its_own_rows_only() {
        for name in ["lns12.6", "fixed16.10"] {
            let architecture = architecture(&[8], Formats::uniform(name.parse().unwrap()), true);
            let layout = architecture.factors(1);
            let mut network = architecture.batch_network(1);
            network.load(&normals(1, architecture.layout().parameters(), 0.4));
            network.place(0, &normals(5, layout.len(), 1.0));
            let mut wild = normals(6, layout.len(), 1.0);
            wild[2] = f32::NAN;
            network.place(1, &wild);
            let mut inputs = normals(2, 10, 1.0);
            inputs[7] = f32::INFINITY;
            let row = |input, place| Row { input, place, scale: 0.1 };
            let rows = [row(0, 0), row(1, 0), row(0, 1)];
            let mut outputs = [0.0; 9];
            network.forward(&rows, &inputs, &mut outputs);
            let nan: Vec<bool> = outputs.iter().map(|x| x.is_nan()).collect();
            assert_eq!(nan, [false, false, false, true, true, true, true, true, true], "{name}");
        }
    }
}
