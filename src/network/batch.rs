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

use super::aligned::Aligned;
use super::factors::FactorLayout;
use super::products::{Products, weight_place};
use super::{Architecture, LayerFactors};
use crate::arithmetic::{Activation, Affine, Arithmetic, InArithmetic, Number, Terms};

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

struct Batched<A: Arithmetic> {
    engine: Engine<A>,
    activation: Activation,
    bias: bool,
    layout: FactorLayout,
    parameters: Aligned<A::Value>,
    /// Whether the parameters could be converted.
    is_finite: bool,
    factors: Vec<A::Value>,
    /// Whether each place's factors could be converted.
    finite_places: Vec<bool>,
    /// The numbers between two layers: one is read while the other is written.
    front: Aligned<A::Value>,
    back: Aligned<A::Value>,
    scaling: Scaling<A::Value>,
    /// Rows, and inputs before the first layer, that have lost a number.
    lost: Vec<bool>,
    lost_inputs: Vec<bool>,
}

/// The numbers of the rows' terms in one layer.
struct Scaling<V> {
    dots: Vec<V>,
    numbers: Vec<V>,
    starts: Vec<usize>,
}

/// What computes layers.
struct Engine<A: Arithmetic> {
    arithmetic: A,
    /// Matrix multiplies in another format than everything else.
    products: Option<Products>,
    /// One input and its outputs, as such multiplies take them.
    wide: (Vec<f32>, Vec<f32>),
    room: Vec<A::Value>,
}

impl<A: Arithmetic> Engine<A> {
    /// Layer number `index` for so many inputs, of which those that cannot be converted are marked.
    fn layer(
        &mut self,
        index: usize,
        layer: &Affine<'_, A::Value>,
        terms: Option<&Terms<'_, A::Value>>,
        x: &[A::Value],
        y: &mut [A::Value],
        lost: &mut [bool],
    ) {
        let Engine { arithmetic, products, wide: (wide_x, wide_y), room } = self;
        let rows = lost.len();
        let Some(products) = products else {
            return arithmetic.layers(layer, terms, rows, x, y, room);
        };
        let (inputs, outputs) = (x.len() / rows.max(1), y.len() / rows.max(1));
        wide_x.resize(inputs, 0.0);
        wide_y.resize(outputs, 0.0);
        for (row, lost) in lost.iter_mut().enumerate() {
            let x = &x[row * inputs..][..inputs];
            let y = &mut y[row * outputs..][..outputs];
            let activation = if terms.is_some() { None } else { layer.activation };
            arithmetic.decode(x, wide_x);
            let weights = weight_place(index);
            *lost |= products
                .layer(arithmetic, weights, layer.bias, activation, wide_x, wide_y)
                .and_then(|()| arithmetic.encode(wide_y, y).map(|_| ()))
                .is_err();
            if let Some(terms) = terms {
                arithmetic.add_terms(terms, row, layer.activation, y);
            }
        }
    }
}

impl<A: Arithmetic> Batched<A> {
    fn new(arithmetic: A, architecture: &Architecture, rank: usize) -> Self {
        Batched {
            engine: Engine {
                products: Products::of(&architecture.formats),
                arithmetic,
                wide: (Vec::new(), Vec::new()),
                room: Vec::new(),
            },
            activation: architecture.activation,
            bias: architecture.bias,
            layout: architecture.factors(rank),
            parameters: Aligned::new(A::ZERO, architecture.layout().parameters()),
            is_finite: true,
            factors: Vec::new(),
            finite_places: Vec::new(),
            front: Aligned::new(A::ZERO, 0),
            back: Aligned::new(A::ZERO, 0),
            scaling: Scaling { dots: Vec::new(), numbers: Vec::new(), starts: Vec::new() },
            lost: Vec::new(),
            lost_inputs: Vec::new(),
        }
    }

    /// Converts the inputs into `front`, and marks those that cannot be.
    fn take_inputs(&mut self, inputs: &[f32], width: usize) {
        let to = &mut self.front.get_mut()[..inputs.len()];
        self.lost_inputs.clear();
        self.lost_inputs.resize(inputs.len() / width, false);
        if self.engine.arithmetic.encode(inputs, to).is_ok() {
            return;
        }
        let each = inputs.chunks(width).zip(to.chunks_mut(width));
        for ((from, to), lost) in each.zip(&mut self.lost_inputs) {
            *lost = self.engine.arithmetic.encode(from, to).is_err();
            if *lost {
                to.fill(A::ZERO);
            }
        }
    }

    fn pass(&mut self, rows: &[Row], inputs: &[f32], outputs: &mut [f32]) {
        let width = self.layout.layers[0].inputs;
        let distinct = inputs.len() / width;
        let widest = self.layout.layers.iter().map(|l| l.inputs.max(l.outputs)).max().unwrap_or(0);
        let numbers = rows.len().max(distinct) * widest;
        self.front.reserve(A::ZERO, numbers);
        self.back.reserve(A::ZERO, numbers);
        self.take_inputs(inputs, width);
        let Batched { engine, layout, scaling, lost, lost_inputs, .. } = self;
        lost.clear();
        lost.extend(rows.iter().map(|row| {
            let known = layout.rank == 0 || self.finite_places[row.place];
            !(self.is_finite && known) || lost_inputs[row.input]
        }));
        let (mut front, mut back) = (self.front.get_mut(), self.back.get_mut());
        let last = layout.layers.len() - 1;
        for (index, layer) in layout.layers.iter().enumerate() {
            let (weights, after) =
                self.parameters.get()[layer.weight.start..].split_at(layer.weight.len());
            let affine = Affine {
                weights,
                bias: self.bias.then(|| &after[..layer.outputs]),
                activation: (index < last).then_some(self.activation),
            };
            let one_to_one =
                rows.len() == distinct && rows.iter().enumerate().all(|(k, row)| row.input == k);
            let shared = index == 0 && !one_to_one;
            let input = |k: usize| if shared { rows[k].input } else { k };
            let arithmetic = &engine.arithmetic;
            let terms = (layout.rank > 0).then(|| {
                scaling.terms(arithmetic, rows, input, layer, layout, front, &self.factors)
            });
            if !shared {
                let x = &front[..rows.len() * layer.inputs];
                let y = &mut back[..rows.len() * layer.outputs];
                engine.layer(index, &affine, terms.as_ref(), x, y, lost);
                std::mem::swap(&mut front, &mut back);
                continue;
            }
            // Each input once; then its sums go to all rows that share it.
            let (x, sums) = (&front[..inputs.len()], &mut back[..distinct * layer.outputs]);
            let plain = Affine { activation: None, ..affine };
            engine.layer(index, &plain, None, x, sums, lost_inputs);
            for (k, (row, y)) in rows.iter().zip(front.chunks_mut(layer.outputs)).enumerate() {
                y.copy_from_slice(&sums[row.input * layer.outputs..][..layer.outputs]);
                lost[k] |= lost_inputs[row.input];
                match (&terms, affine.activation) {
                    (Some(terms), activation) => {
                        engine.arithmetic.add_terms(terms, k, activation, y);
                    }
                    (None, Some(activation)) => engine.arithmetic.activate(activation, y),
                    (None, None) => {}
                }
            }
        }
        engine.arithmetic.decode(&front[..outputs.len()], outputs);
        let each = outputs.chunks_mut(outputs.len() / rows.len());
        for (outputs, _) in each.zip(lost).filter(|(_, lost)| **lost) {
            outputs.fill(f32::NAN);
        }
    }
}

impl<V: Number> Scaling<V> {
    /// The terms of all rows in one layer, whose inputs lie in `x`.
    #[allow(clippy::too_many_arguments)] // the parts of a network, borrowed apart
    fn terms<'a, A: Arithmetic<Value = V>>(
        &'a mut self,
        arithmetic: &A,
        rows: &[Row],
        input: impl Fn(usize) -> usize,
        layer: &LayerFactors,
        layout: &FactorLayout,
        x: &[V],
        factors: &'a [V],
    ) -> Terms<'a, V> {
        let rank = layout.rank;
        let count = rank + usize::from(!layer.bias.is_empty());
        let one = arithmetic.constant(1.0);
        self.dots.resize(rows.len() * rank, A::ZERO);
        self.numbers.resize(rows.len() * count, A::ZERO);
        self.starts.clear();
        for (k, row) in rows.iter().enumerate() {
            let member = &factors[row.place * layout.len()..][..layout.len()];
            // The two members of a pair have the same dots, up to their signs.
            let before = k
                .checked_sub(1)
                .filter(|&before| rows[before].place == row.place && input(before) == input(k));
            let (done, dots) = self.dots.split_at_mut(k * rank);
            let dots = &mut dots[..rank];
            match before {
                Some(before) => dots.copy_from_slice(&done[before * rank..]),
                None => {
                    let x = &x[input(k) * layer.inputs..][..layer.inputs];
                    let vectors = member[layer.b.clone()].chunks(layer.inputs);
                    for (dot, b) in dots.iter_mut().zip(vectors) {
                        arithmetic.layer(b, None, None, x, std::slice::from_mut(dot));
                    }
                }
            }
            let (scaled, bias) = self.numbers[k * count..][..count].split_at_mut(rank);
            arithmetic.scale(row.scale, dots, scaled);
            bias.fill(if row.scale < 0.0 { arithmetic.negative(one) } else { one });
            self.starts.push(row.place * layout.len() + layer.a.start);
        }
        Terms { count, numbers: &self.numbers, vectors: factors, starts: &self.starts }
    }
}

impl<A: Arithmetic> BatchNetwork for Batched<A> {
    fn load(&mut self, theta: &[f32]) {
        assert_eq!(theta.len(), self.parameters.len(), "theta has the network's P elements");
        let Engine { arithmetic, products, .. } = &mut self.engine;
        let parameters = self.parameters.get_mut();
        self.is_finite = arithmetic.encode(theta, parameters).is_ok();
        let Some(products) = products else { return };
        for (index, layer) in self.layout.layers.iter().enumerate() {
            let weights = &parameters[layer.weight.clone()];
            self.is_finite &= products.load(arithmetic, weight_place(index), weights).is_ok();
        }
    }

    fn place(&mut self, place: usize, factors: &[f32]) {
        let length = self.layout.len();
        assert_eq!(factors.len(), length, "as many factors as the layout says");
        if self.finite_places.len() <= place {
            self.finite_places.resize(place + 1, true);
            self.factors.resize((place + 1) * length, A::ZERO);
        }
        let to = &mut self.factors[place * length..][..length];
        self.finite_places[place] = self.engine.arithmetic.encode(factors, to).is_ok();
    }

    fn forward(&mut self, rows: &[Row], inputs: &[f32], outputs: &mut [f32]) {
        let classes = self.layout.layers.last().map_or(0, |layer| layer.outputs);
        assert_eq!(outputs.len(), rows.len() * classes, "outputs for each row");
        assert_eq!(inputs.len() % self.layout.layers[0].inputs, 0, "whole inputs");
        if !rows.is_empty() {
            self.pass(rows, inputs, outputs);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arithmetic::{Accumulate, Formats};
    use crate::noise::Noise;
    use crate::seed::Purpose;

    fn architecture(hidden: &[usize], formats: Formats, bias: bool) -> Architecture {
        Architecture {
            inputs: 5,
            hidden: hidden.to_vec(),
            outputs: 3,
            activation: Activation::Tanh,
            bias,
            formats,
        }
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
