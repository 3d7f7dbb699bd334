//! What workers tell each other, wherever they are.

use super::{Report, Shard, tree_sum};
use crate::comm::{CommError, all_gather_equal};
use crate::method::{Interval, MethodError, MethodState, Rank, Returns};
use crate::policy::Statistics;

/// The messages of all workers in worker order, on every rank; this rank has those of its own
/// workers, rank, rank + R, ... Sizes are told first. Collective.
///
/// # Errors
/// If a rank fails.
pub fn gather_by_worker(
    rank: &Rank<'_>,
    workers: usize,
    mine: Vec<Vec<u8>>,
) -> Result<Vec<Vec<u8>>, CommError> {
    let ranks = rank.comm.size();
    if ranks == 1 {
        return Ok(mine);
    }
    // A row of sizes as long on every rank.
    let places = workers.div_ceil(ranks);
    let mut sizes = vec![0; 8 * places];
    for (place, message) in sizes.as_chunks_mut::<8>().0.iter_mut().zip(&mine) {
        *place = (message.len() as u64).to_le_bytes();
    }
    let sizes: Vec<usize> = all_gather_equal(rank.comm, &sizes)?
        .as_chunks::<8>()
        .0
        .iter()
        .map(|size| u64::from_le_bytes(*size) as usize)
        .collect();
    let counts: Vec<usize> = sizes.chunks(places).map(|row| row.iter().sum()).collect();
    let mut all = vec![0; counts.iter().sum()];
    rank.comm.all_gather(&mine.concat(), &counts, &mut all)?;
    let starts: Vec<usize> = counts
        .iter()
        .scan(0, |start, count| Some(std::mem::replace(start, *start + count)))
        .collect();
    let of = |worker: usize| {
        let (from, place) = (worker % ranks, worker / ranks);
        let row = &sizes[from * places..];
        let start = starts[from] + row[..place].iter().sum::<usize>();
        all[start..start + row[place]].to_vec()
    };
    Ok((0..workers).map(of).collect())
}

/// The reports of all workers as one, in worker order. Collective.
///
/// # Errors
/// If a rank fails.
pub fn reported(
    rank: &Rank<'_>,
    workers: usize,
    shards: &mut [Box<dyn Shard>],
) -> Result<Report, CommError> {
    merged_reports(rank, workers, shards.iter_mut().map(|shard| shard.report()))
}

/// The same, of what this rank's shards have told.
///
/// # Errors
/// If a rank fails.
pub fn merged_reports(
    rank: &Rank<'_>,
    workers: usize,
    mine: impl Iterator<Item = Report>,
) -> Result<Report, CommError> {
    let mine = mine.map(|report| serde_json::to_vec(&report).unwrap_or_default()).collect();
    let messages = gather_by_worker(rank, workers, mine)?;
    let mut report =
        |worker: usize| -> Report { serde_json::from_slice(&messages[worker]).unwrap_or_default() };
    Ok(tree_sum(workers, &mut report, &Report::merge))
}

/// What ranks other than 0 have sent in parcels and messages since they were last asked. `before` is
/// this rank's count at that time. Collective.
///
/// # Errors
/// If a rank fails.
pub fn sent_by_others(rank: &Rank<'_>, before: &mut u64) -> Result<u64, CommError> {
    if rank.comm.size() == 1 {
        return Ok(0);
    }
    let now = rank.comm.bytes_sent_alone();
    let mine = now - std::mem::replace(before, now);
    let all = all_gather_equal(rank.comm, &mine.to_le_bytes())?;
    let others = all.as_chunks::<8>().0.iter().skip(1);
    Ok(others.map(|bytes| u64::from_le_bytes(*bytes)).sum())
}

/// The observation statistics that the first worker's shard has, on every rank; `before` are others
/// of the same size. Collective.
///
/// # Errors
/// If a rank fails.
pub fn shared_statistics(
    rank: &Rank<'_>,
    shards: &[Box<dyn Shard>],
    before: &Statistics,
) -> Result<Statistics, CommError> {
    let mine = shards.first().and_then(|shard| shard.statistics());
    let mut bytes = mine.unwrap_or(before).to_bytes();
    rank.comm.broadcast(&mut bytes)?;
    Ok(Statistics::from_bytes(&bytes))
}

/// Writes a report into a row.
pub fn write_report(report: &Report, row: &mut Interval) {
    row.samples = report.samples;
    row.loss = (report.samples > 0).then(|| report.loss / report.samples as f64);
    row.env_steps = report.env_steps;
    row.episodes = report.episodes.len() as u64;
    row.warnings.clone_from(&report.warnings);
    let count = report.episodes.len() as f64;
    if report.episodes.is_empty() {
        return;
    }
    let returns = || report.episodes.iter().map(|(total, _)| *total);
    let mean = returns().fold(0.0, |sum, r| sum + r) / count;
    let variance = returns().fold(0.0, |sum, r| sum + (r - mean) * (r - mean)) / count;
    let steps: f64 = report.episodes.iter().map(|(_, steps)| f64::from(*steps)).sum();
    row.returns = Some(Returns {
        mean,
        std: variance.sqrt(),
        min: returns().fold(f64::INFINITY, f64::min),
        max: returns().fold(f64::NEG_INFINITY, f64::max),
        length_mean: steps / count,
    });
}

/// Brings what the shards of all workers remember together: names start with the worker's number.
/// Collective.
///
/// # Errors
/// If a rank fails.
pub fn save_shards(
    rank: &Rank<'_>,
    workers: usize,
    shards: &[Box<dyn Shard>],
    state: &mut MethodState,
) -> Result<(), CommError> {
    let (this, ranks) = (rank.comm.rank(), rank.comm.size());
    let mine = shards.iter().enumerate().map(|(place, shard)| {
        let mut of = MethodState::default();
        shard.save(&prefix(this + place * ranks), &mut of);
        of
    });
    save_workers(rank, workers, mine.collect(), state)
}

/// Brings what all workers remember together, of which this rank has that of its own workers; names
/// are to tell workers apart. Collective.
///
/// # Errors
/// If a rank fails.
pub fn save_workers(
    rank: &Rank<'_>,
    workers: usize,
    mine: Vec<MethodState>,
    state: &mut MethodState,
) -> Result<(), CommError> {
    let encode = |mut of: MethodState| {
        // As bytes: vectors are long, and text takes its time.
        for (name, values) in of.vectors.drain(..) {
            let words = values.iter().flat_map(|value| value.to_le_bytes()).collect();
            of.bytes.push((format!("{VECTOR}{name}"), words));
        }
        let names: Vec<(&str, usize)> =
            of.bytes.iter().map(|(name, bytes)| (name.as_str(), bytes.len())).collect();
        let head = (names, &of.doubles, &of.numbers);
        let head = serde_json::to_vec(&head).unwrap_or_default();
        let mut message = (head.len() as u64).to_le_bytes().to_vec();
        message.extend(head);
        of.bytes.iter().for_each(|(_, bytes)| message.extend(bytes));
        message
    };
    for message in gather_by_worker(rank, workers, mine.into_iter().map(encode).collect())? {
        let (size, rest) = message.split_at(8);
        let size = u64::from_le_bytes(size.try_into().unwrap_or_default()) as usize;
        let (head, mut rest) = rest.split_at(size);
        type Head = (Vec<(String, usize)>, Vec<(String, Vec<f64>)>, Vec<(String, String)>);
        let (names, doubles, numbers): Head = serde_json::from_slice(head).unwrap_or_default();
        for (name, size) in names {
            let (bytes, after) = rest.split_at(size);
            rest = after;
            match name.strip_prefix(VECTOR) {
                Some(name) => {
                    let words =
                        bytes.as_chunks::<4>().0.iter().map(|word| f32::from_le_bytes(*word));
                    state.vectors.push((name.to_owned(), words.collect()));
                }
                None => state.bytes.push((name, bytes.to_vec())),
            }
        }
        state.doubles.extend(doubles);
        state.numbers.extend(numbers);
    }
    Ok(())
}

/// What the name of a vector starts with on its way.
const VECTOR: &str = "vector ";

/// Goes back to what [`save_shards`] brought together.
///
/// # Errors
/// If something is missing.
pub fn restore_shards(
    rank: &Rank<'_>,
    shards: &mut [Box<dyn Shard>],
    state: &MethodState,
) -> Result<(), MethodError> {
    let (this, ranks) = (rank.comm.rank(), rank.comm.size());
    for (place, shard) in shards.iter_mut().enumerate() {
        shard.restore(&prefix(this + place * ranks), state)?;
    }
    Ok(())
}

/// What the names of a worker's state start with.
pub fn prefix(worker: usize) -> String {
    format!("worker{worker}.")
}
