//! The sum of many members' low-rank perturbations, as one product of two matrices for each layer.
//!
//! ```text
//! weight of a layer   sum over k of w_k / sqrt(r) sum over j of B_kj^T A_kj      (I, O)
//! bias                sum over k of w_k e_k                                    (O)
//! ```
//!
//! Every element is `fma(B, A w / sqrt(r), sum)` over the pairs k in ascending order and j within
//! each, whatever is computed beside it: threads and ranks split inputs, never pairs. The factors of
//! some pairs at a time are drawn anew, all threads together, and then added to all sums. Pairs of
//! weight zero are skipped.

use std::ops::Range;

use rayon::prelude::*;

use crate::arithmetic::{Arithmetic, F32, OUTER_PAD, add_outer_products};
use crate::crew::Crew;
use crate::network::FactorLayout;
use crate::noise::BLOCK;

/// Numbers of the factors that are held at a time.
const HELD: usize = 1 << 19;

/// Inputs that a thread sums at a stretch.
const STRIP: usize = 64;

/// Numbers of a cache line: where each vector of a record starts.
const LINE: usize = 16;

/// The sums of one layer, or those of its rows that a slice of the parameters needs.
struct LayerSums {
    /// Where its vectors B and A start in a record.
    places: (usize, usize),
    /// Where the noise of the bias starts in a record.
    bias_place: usize,
    inputs: Range<usize>,
    outputs: usize,
    /// Where `weight` starts in the parameters.
    start: usize,
    weight: Vec<f32>,
    /// Where the bias lies in the parameters.
    bias_range: Range<usize>,
    bias: Vec<f32>,
}

/// The sums of all layers.
pub(super) struct FactorSums {
    layers: Vec<LayerSums>,
}

/// What is summed.
pub(super) struct Summands<'a> {
    pub layout: &'a FactorLayout,
    /// The weight of each pair.
    pub weights: &'a [f32],
    /// Writes the factors of a pair, those of biases as plain noise.
    pub draw: &'a (dyn Fn(usize, &mut [f32]) + Sync),
}

impl FactorSums {
    /// The sums for a slice of the parameters. Class A, whatever the slice and the threads.
    pub fn of(crew: &Crew, summands: &Summands<'_>, slice: Range<usize>) -> Self {
        let Summands { layout, weights, draw } = *summands;
        let record = Record::of(layout);
        let mut sums = FactorSums { layers: record.sums(layout, &slice) };
        let taking_part: Vec<usize> =
            (0..weights.len()).filter(|&pair| weights[pair] != 0.0).collect();
        let together = (HELD / record.length).clamp(16, 1024);
        // What is read behind the last record is not used.
        let mut records = vec![0.0; together * record.length + OUTER_PAD.1];
        let scale = 1.0 / (layout.rank as f32).sqrt();
        crew.install(|| {
            for pairs in taking_part.chunks(together) {
                records.par_chunks_mut(record.length).zip(pairs).for_each_init(
                    || vec![0.0; layout.len()],
                    |factors, (to, &pair)| {
                        draw(pair, factors);
                        record.write(layout, factors, weights[pair], scale, to);
                    },
                );
                sums.add(&record, pairs, weights, &records, layout.rank);
            }
        });
        sums
    }

    /// Adds what the records hold.
    fn add(
        &mut self,
        record: &Record,
        pairs: &[usize],
        weights: &[f32],
        records: &[f32],
        rank: usize,
    ) {
        let (count, stride) = (pairs.len() * rank, record.length / rank);
        self.layers.par_iter_mut().for_each(|layer| {
            let LayerSums { places, inputs, outputs, weight, bias, bias_place, .. } = layer;
            let strips = weight.par_chunks_mut((STRIP * *outputs).max(1)).enumerate();
            strips.for_each(|(strip, sum)| {
                let x = &records[places.0 + inputs.start + strip * STRIP..];
                let y = &records[places.1..];
                add_outer_products(count, x, y, stride, *outputs, sum);
            });
            for (record, &pair) in records.chunks(record.length).zip(pairs) {
                F32.add_scaled(weights[pair], &record[*bias_place..][..bias.len()], bias);
            }
        });
    }
}

impl FactorSums {
    /// Writes the part of the sums that a block of the parameters has.
    pub fn write_block(&self, block: usize, sum: &mut [f32]) {
        let first = block * BLOCK;
        let mut copy = |start: usize, from: &[f32]| {
            let overlap = start.max(first)..(start + from.len()).min(first + sum.len());
            if !overlap.is_empty() {
                let from = &from[overlap.start - start..overlap.end - start];
                sum[overlap.start - first..overlap.end - first].copy_from_slice(from);
            }
        };
        for layer in &self.layers {
            copy(layer.start, &layer.weight);
            copy(layer.bias_range.start, &layer.bias);
        }
    }
}

/// How a pair's factors lie in memory while they are summed: for each j the vectors B_j and A_j of
/// all layers, the latter times the pair's weight, and behind A_0 the noise of the bias.
struct Record {
    /// Of each layer: where B, A and the bias start.
    places: Vec<(usize, usize, usize)>,
    /// Numbers of a pair: `rank` parts of the same length.
    length: usize,
}

impl Record {
    fn of(layout: &FactorLayout) -> Self {
        let mut next = 0;
        let mut take = |length: usize| {
            let start = next;
            next += length.next_multiple_of(LINE);
            start
        };
        let places = layout
            .layers
            .iter()
            .map(|layer| (take(layer.inputs), take(layer.outputs), take(layer.bias.len())));
        let places = places.collect();
        Record { places, length: next * layout.rank }
    }

    /// Empty sums of the rows that a slice of the parameters needs.
    fn sums(&self, layout: &FactorLayout, slice: &Range<usize>) -> Vec<LayerSums> {
        let places = self.places.iter().zip(&layout.layers);
        places
            .map(|(&(b, a, bias), layer)| {
                let within = |at: usize| at.clamp(layer.weight.start, layer.weight.end);
                let first = (within(slice.start) - layer.weight.start) / layer.outputs;
                let last = (within(slice.end) - layer.weight.start).div_ceil(layer.outputs);
                let bias_range = layer.weight.end..layer.weight.end + layer.bias.len();
                LayerSums {
                    places: (b, a),
                    bias_place: bias,
                    inputs: first..last.max(first),
                    outputs: layer.outputs,
                    start: layer.weight.start + first * layer.outputs,
                    weight: vec![0.0; last.saturating_sub(first) * layer.outputs],
                    bias: vec![0.0; bias_range.len()],
                    bias_range,
                }
            })
            .collect()
    }

    fn write(
        &self,
        layout: &FactorLayout,
        factors: &[f32],
        weight: f32,
        scale: f32,
        to: &mut [f32],
    ) {
        let part = self.length / layout.rank;
        let weight = weight * scale;
        for (&(b, a, bias), layer) in self.places.iter().zip(&layout.layers) {
            for j in 0..layout.rank {
                let from = &factors[layer.b.clone()][j * layer.inputs..][..layer.inputs];
                to[j * part + b..][..layer.inputs].copy_from_slice(from);
                let from = &factors[layer.a.clone()][j * layer.outputs..][..layer.outputs];
                let to = &mut to[j * part + a..][..layer.outputs];
                to.iter_mut().zip(from).for_each(|(to, a)| *to = a * weight);
            }
            to[bias..][..layer.bias.len()].copy_from_slice(&factors[layer.bias.clone()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::Architecture;
    use crate::noise::Noise;
    use crate::policy::ActionRule;
    use crate::seed::Purpose;
    use crate::task::{PolicyPlan, Task};

    fn plan() -> PolicyPlan {
        let architecture = Architecture::perceptron(150, vec![40], 2);
        let rule = ActionRule::Largest(2);
        PolicyPlan { architecture, rule, normalize_observations: false }
    }

    #[test]
    fn any_slice_on_any_threads_has_the_sums_of_the_definition() {
        let plan = plan();
        let task =
            Task::of_data(crate::dataset::load("synthetic", Default::default(), None).unwrap());
        let noise = Noise::new(3, Purpose::Perturbation);
        let draw = |pair: usize, factors: &mut [f32]| noise.fill(7, pair as u64, factors);
        let mut weights = vec![0.0; 1500];
        noise.fill(8, 0, &mut weights);
        weights[3] = 0.0;
        for rank in [1, 3] {
            let layout = plan.architecture.factors(rank);
            let parameters = plan.architecture.layout().parameters();
            let mut expected = vec![0.0_f32; parameters];
            let mut factors = vec![0.0; layout.len()];
            for (pair, &weight) in weights.iter().enumerate().filter(|(_, w)| **w != 0.0) {
                draw(pair, &mut factors);
                for layer in &layout.layers {
                    let (b, a) = (&factors[layer.b.clone()], &factors[layer.a.clone()]);
                    let scaled = weight * (1.0 / (rank as f32).sqrt());
                    let sums = &mut expected[layer.weight.clone()];
                    for j in 0..rank {
                        for (at, sum) in sums.iter_mut().enumerate() {
                            let (i, o) = (at / layer.outputs, at % layer.outputs);
                            let a = a[j * layer.outputs + o] * scaled;
                            *sum = b[j * layer.inputs + i].mul_add(a, *sum);
                        }
                    }
                    let noise = &factors[layer.bias.clone()];
                    for (sum, &e) in expected[layer.weight.end..].iter_mut().zip(noise) {
                        *sum = weight.mul_add(e, *sum);
                    }
                }
            }
            let summands = Summands { layout: &layout, weights: &weights, draw: &draw };
            for (threads, slice) in [(1, 0..parameters), (3, 0..parameters), (2, 4096..parameters)]
            {
                let crew = Crew::new(threads, &task, &plan, 0).unwrap();
                let sums = FactorSums::of(&crew, &summands, slice.clone());
                let blocks = slice.start / BLOCK..slice.end.div_ceil(BLOCK);
                for block in blocks {
                    let range = block * BLOCK..((block + 1) * BLOCK).min(parameters);
                    let mut sum = vec![0.0; range.len()];
                    sums.write_block(block, &mut sum);
                    assert_eq!(sum, expected[range], "rank {rank}, block {block}");
                }
            }
        }
    }
}
