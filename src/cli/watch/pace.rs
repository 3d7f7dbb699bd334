//! How fast a run is, where its time goes, and what is left of it.

use super::state::Watched;
use crate::record::Rows;

/// How fast the last rows came, by the run's own clock, which stands still during evaluations.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Pace {
    /// Rows that this is about.
    pub rows: usize,
    /// Seconds that they took.
    pub seconds: f64,
    /// Environment steps or samples a second.
    pub work: Option<f64>,
    /// Updates of a gradient method a second.
    pub updates: Option<f64>,
    /// Shares of the time on rank 0: evaluate, update, communicate, and the rest.
    pub shares: [f64; 4],
    /// Share of all threads' time with nothing to do while members play.
    pub idle: Option<f64>,
}

/// The last fifth of the rows counts, but ten if there are so many.
fn window(rows: usize) -> usize {
    (rows / 5).max(rows.min(10))
}

impl Pace {
    /// None without a row or time.
    pub fn of(rows: &Rows, work: &str) -> Option<Self> {
        let count = window(rows.len());
        let first = rows.len().checked_sub(count.max(1))?;
        // What was counted up to the row before.
        let since = |column: &str| {
            let before = first.checked_sub(1).and_then(|row| rows.get(row, column)).unwrap_or(0.0);
            rows.last(column).map(|last| last - before)
        };
        let seconds = since("wall_seconds").filter(|&seconds| seconds > 0.0)?;
        let stages = ["evaluate_seconds", "update_seconds", "communicate_seconds"];
        let stages = stages.map(|column| rows.sum(column, first));
        let whole = seconds.max(stages.iter().sum());
        let [evaluate, update, communicate] = stages.map(|stage| stage / whole);
        let rest = (1.0 - evaluate - update - communicate).max(0.0);
        let idle =
            |row| Some((rows.get(row, "evaluate_seconds")?, rows.get(row, "idle_fraction")?));
        let idle: Vec<(f64, f64)> = (first..rows.len()).filter_map(idle).collect();
        let weight: f64 = idle.iter().map(|(seconds, _)| seconds).sum();
        let idle: f64 = idle.iter().map(|(seconds, share)| seconds * share).sum();
        Some(Pace {
            rows: count,
            seconds,
            work: since(work).map(|work| work / seconds),
            updates: since("updates").map(|updates| updates / seconds),
            shares: [evaluate, update, communicate, rest],
            idle: (weight > 0.0).then(|| idle / weight),
        })
    }

    /// Rows a minute.
    pub fn rows_a_minute(&self) -> f64 {
        60.0 * self.rows as f64 / self.seconds
    }
}

/// A limit of the experiment and how far the run has come to it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Limit {
    pub name: &'static str,
    pub done: f64,
    pub of: f64,
    /// Seconds of training until it is reached.
    pub left: Option<f64>,
}

/// The limits of `[stop]`, in its order.
pub(super) fn limits(watched: &Watched, pace: Option<&Pace>) -> Vec<Limit> {
    let Some(experiment) = watched.experiment() else { return Vec::new() };
    let (stop, rows) = (&experiment.stop, watched.rows());
    let done = |column: &str| rows.last(column).unwrap_or(0.0);
    let epoch = watched.epoch().map(|samples| samples as f64);
    let count = |limit: Option<u64>| limit.map(|limit| limit as f64);
    let per_row = |pace: &Pace| Some(pace.rows as f64 / pace.seconds);
    type Rate = fn(&Pace) -> Option<f64>;
    let all: [(&'static str, f64, Option<f64>, Rate); 6] = [
        ("generations", done("generation"), count(stop.generations), per_row as Rate),
        ("env steps", done("env_steps"), count(stop.env_steps), |pace| pace.work),
        ("updates", done("updates"), count(stop.updates), |pace| pace.updates),
        ("samples", done("samples"), count(stop.samples), |pace| pace.work),
        ("seconds", done("wall_seconds"), stop.wall_seconds, |_| Some(1.0)),
        (
            "epochs",
            epoch.map_or(0.0, |epoch| done("samples") / epoch),
            count(stop.epochs).filter(|_| epoch.is_some()),
            |pace| pace.work,
        ),
    ];
    let limit = |(name, done, of, rate): (&'static str, f64, Option<f64>, Rate)| {
        let of = of?;
        let rate = pace.and_then(rate).filter(|&rate| rate > 0.0);
        let unit = if name == "epochs" { epoch? } else { 1.0 };
        Some(Limit { name, done, of, left: rate.map(|rate| unit * (of - done).max(0.0) / rate) })
    };
    all.into_iter().filter_map(limit).collect()
}

/// The limit that is reached first.
pub(super) fn nearest(limits: &[Limit]) -> Option<(&'static str, f64)> {
    let known = limits.iter().filter_map(|limit| Some((limit.name, limit.left?)));
    known.min_by(|a, b| a.1.total_cmp(&b.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watched(experiment: &str, rows: &str) -> (tempfile::TempDir, Watched) {
        let run = tempfile::tempdir().unwrap();
        std::fs::write(run.path().join("experiment.toml"), experiment).unwrap();
        let header = "generation,env_steps,wall_seconds,evaluate_seconds,update_seconds,\
            communicate_seconds,idle_fraction\n";
        std::fs::write(run.path().join("progress.csv"), format!("{header}{rows}")).unwrap();
        let mut watched = Watched::new(run.path(), None);
        watched.refresh().unwrap();
        (run, watched)
    }

    #[test]
    fn the_pace_is_that_of_the_last_rows() {
        let experiment =
            "[task]\nenv = \"CartPole-v1\"\n[stop]\ngenerations = 100\nenv_steps = 1000\n";
        // Ten rows of ten seconds, then ten of one second.
        let row = |k: u32| {
            let seconds = if k <= 10 { 10 * k } else { 90 + k };
            format!("{k},{},{seconds},0.5,0.25,0.125,0.2\n", 10 * k)
        };
        let (_run, watched) = watched(experiment, &(1..=20).map(row).collect::<String>());
        let pace = Pace::of(watched.rows(), "env_steps").unwrap();
        assert_eq!((pace.rows, pace.seconds, pace.work), (10, 10.0, Some(10.0)));
        assert_eq!(pace.rows_a_minute(), 60.0);
        assert_eq!(pace.shares, [0.5, 0.25, 0.125, 0.125]);
        assert!((pace.idle.unwrap() - 0.2).abs() < 1e-12);
        let limits = limits(&watched, Some(&pace));
        assert_eq!((limits[0].name, limits[0].left), ("generations", Some(80.0)));
        assert_eq!((limits[1].name, limits[1].left), ("env steps", Some(80.0)));
        assert_eq!(nearest(&limits), Some(("generations", 80.0)));
    }

    #[test]
    fn without_a_row_there_is_no_pace() {
        let (_run, watched) =
            watched("[task]\nenv = \"CartPole-v1\"\n[stop]\ngenerations = 5\n", "");
        assert_eq!(Pace::of(watched.rows(), "env_steps"), None);
        let limits = limits(&watched, None);
        assert_eq!((limits.len(), nearest(&limits)), (1, None));
    }
}
