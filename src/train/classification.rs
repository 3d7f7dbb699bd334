//! Judging a network on a data set: how many samples it takes for another class.

use rayon::prelude::*;

use crate::comm::{CommError, all_gather_equal, share};
use crate::dataset::{DataSet, Samples};
use crate::method::Rank;
use crate::network::{Architecture, Row, largest};
use crate::record::Classification;

/// Samples that a thread judges at a time.
const PIECE: usize = 512;

/// Judges parameters `theta` (P) on the data set's validation and test samples, shared out over all
/// ranks and threads. Collective; class A.
///
/// # Errors
/// If a rank fails.
pub fn classify(
    rank: &Rank<'_>,
    architecture: &Architecture,
    theta: &[f32],
    data: &DataSet,
) -> Result<Classification, CommError> {
    let rate = |samples: &Samples| -> Result<f64, CommError> {
        let mine = share(samples.len(), rank.comm.rank(), rank.comm.size());
        let pieces: Vec<usize> = mine.clone().step_by(PIECE).collect();
        let wrong: u64 = rank.crew.install(|| {
            let judge = |first: usize| {
                let last = (first + PIECE).min(mine.end);
                count_wrong(architecture, theta, samples, first..last)
            };
            pieces.into_par_iter().map(judge).sum()
        });
        let all = all_gather_equal(rank.comm, &wrong.to_le_bytes())?;
        let counts = all.as_chunks::<8>().0.iter().map(|bytes| u64::from_le_bytes(*bytes));
        Ok(counts.sum::<u64>() as f64 / samples.len() as f64)
    };
    Ok(Classification {
        error_rate: data.validation.as_ref().map(&rate).transpose()?,
        test_error: rate(&data.test)?,
    })
}

/// How often samples of each class are taken for each class: (C, C), true classes by rows. Outputs
/// that are not numbers are no answer and count nowhere.
pub fn confusion(
    architecture: &Architecture,
    theta: &[f32],
    samples: &Samples,
    classes: usize,
) -> Vec<u64> {
    let mut counts = vec![0; classes * classes];
    for first in (0..samples.len()).step_by(PIECE) {
        let range = first..(first + PIECE).min(samples.len());
        for (index, answer) in range.clone().zip(answers(architecture, theta, samples, range)) {
            let class = usize::from(samples.label(index));
            if let Some(answer) = answer.filter(|&answer| class.max(answer) < classes) {
                counts[class * classes + answer] += 1;
            }
        }
    }
    counts
}

fn count_wrong(
    architecture: &Architecture,
    theta: &[f32],
    samples: &Samples,
    range: std::ops::Range<usize>,
) -> u64 {
    let judged = range.clone().zip(answers(architecture, theta, samples, range));
    judged.filter(|&(index, answer)| answer != Some(usize::from(samples.label(index)))).count()
        as u64
}

/// The class that each sample is taken for; none where outputs are not numbers.
fn answers(
    architecture: &Architecture,
    theta: &[f32],
    samples: &Samples,
    range: std::ops::Range<usize>,
) -> Vec<Option<usize>> {
    let mut network = architecture.batch_network(0);
    network.load(theta);
    let mut inputs = vec![0.0; range.len() * architecture.inputs];
    for (index, input) in range.clone().zip(inputs.chunks_mut(architecture.inputs)) {
        samples.read(index, input);
    }
    let rows: Vec<Row> =
        (0..range.len()).map(|input| Row { input, place: 0, scale: 0.0 }).collect();
    let mut outputs = vec![0.0; range.len() * architecture.outputs];
    network.forward(&rows, &inputs, &mut outputs);
    let answer = |outputs: &[f32]| {
        let answer = largest(outputs);
        (!outputs[answer].is_nan()).then_some(answer)
    };
    outputs.chunks(architecture.outputs).map(answer).collect()
}
