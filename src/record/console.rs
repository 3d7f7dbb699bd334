//! What a person sees of a run: one live line on a terminal, plain lines in a log.

use std::io::{IsTerminal, Write};
use std::num::NonZeroU64;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::sign_of_life::SignOfLife;
use super::{Judgement, RecordError, Recorder, Row, RunInfo, Summary};
use crate::method::Interval;

/// Longest silence of a log.
const SILENCE: Duration = Duration::from_secs(30);

/// On a terminal, time without a row after which it is said what is at work, and between two
/// movements.
const PATIENCE: Duration = Duration::from_secs(2);
const TICK: Duration = Duration::from_millis(250);

/// Lines in the time that a run has taken so far, at most, so that the log of a run with many quick
/// evaluations can still be read.
const LINES: u32 = 50;

/// Progress on standard error.
pub struct Console {
    bar: Option<ProgressBar>,
    /// Whether every row is a line.
    verbose: bool,
    run: Option<RunInfo>,
    began: Instant,
    last_line: Instant,
    last_row: Option<(Instant, u64, u64)>,
    /// Environment steps or samples a second, smoothed over the last rows.
    rate: f64,
    /// Seconds a generation, smoothed likewise.
    pace: f64,
    evaluation: Option<Judgement>,
    sign_of_life: Option<SignOfLife>,
}

impl Default for Console {
    fn default() -> Self {
        Self::new()
    }
}

impl Console {
    /// Progress for whatever standard error is.
    pub fn new() -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{spinner} {wide_msg}");
            let bar = ProgressBar::new_spinner();
            style.map_or(bar.clone(), |style| bar.with_style(style))
        });
        let now = Instant::now();
        Console {
            bar,
            verbose: false,
            run: None,
            began: now,
            last_line: now,
            last_row: None,
            rate: 0.0,
            pace: 0.0,
            evaluation: None,
            sign_of_life: None,
        }
    }

    /// The same, which tells of every row if `verbose`.
    pub fn verbose(self, verbose: bool) -> Self {
        Console { verbose, ..self }
    }

    fn say(&mut self, line: &str) {
        self.last_line = Instant::now();
        match &self.bar {
            Some(bar) => bar.println(line),
            // A closed terminal is no reason to stop training.
            None => drop(writeln!(std::io::stderr(), "{line}")),
        }
    }

    fn measure(&mut self, row: &Row) {
        let now = Instant::now();
        if let Some((before, steps, generation)) = self.last_row {
            let seconds = now.duration_since(before).as_secs_f64().max(1e-9);
            let rate = (work(row) - steps) as f64 / seconds;
            let pace = seconds / (row.generation - generation) as f64;
            let keep = if self.rate == 0.0 { 0.0 } else { 0.8 };
            self.rate = keep * self.rate + (1.0 - keep) * rate;
            self.pace = keep * self.pace + (1.0 - keep) * pace;
        }
        self.last_row = Some((now, work(row), row.generation));
    }

    /// Seconds until the first limit, at the present pace.
    fn seconds_left(&self, row: &Row) -> Option<f64> {
        let limits = self.run.as_ref()?.limits;
        let by_generations = limits
            .generations
            .map(|limit| limit.saturating_sub(row.generation) as f64 * self.pace)
            .filter(|_| self.pace > 0.0);
        let by_steps = limits
            .env_steps
            .map(|limit| limit.saturating_sub(row.env_steps) as f64 / self.rate)
            .filter(|_| self.rate > 0.0);
        // Updates come in rows of one length.
        let by_updates =
            limits.updates.zip(NonZeroU64::new(row.interval.updates)).map(|(limit, updates)| {
                let rows = limit.saturating_sub(row.updates) as f64 / updates.get() as f64;
                rows * self.pace
            });
        let by_updates = by_updates.filter(|_| self.pace > 0.0);
        let by_time = limits.wall_seconds.map(|limit| (limit - row.wall_seconds).max(0.0));
        [by_generations, by_steps, by_updates, by_time].into_iter().flatten().reduce(f64::min)
    }

    /// How much of the way to the limit that is nearest lies behind, from 0 to 1.
    fn share_done(&self, row: &Row) -> Option<f64> {
        let limits = self.run.as_ref()?.limits;
        let share = |done: f64, limit: Option<f64>| limit.map(|limit| (done / limit).min(1.0));
        let count = |limit: Option<u64>| limit.map(|limit| limit.max(1) as f64);
        let shares = [
            share(row.generation as f64, count(limits.generations)),
            share(row.env_steps as f64, count(limits.env_steps)),
            share(row.updates as f64, count(limits.updates)),
            share(row.wall_seconds, limits.wall_seconds),
        ];
        shares.into_iter().flatten().filter(|share| share.is_finite()).reduce(f64::max)
    }

    fn status(&self, row: &Row) -> String {
        let mut line = match row.interval.updates {
            0 => format!("generation {}", row.generation),
            _ => format!("update {}", row.updates),
        };
        let Interval { loss, returns, env_steps, .. } = row.interval;
        let unit = if env_steps > 0 { "steps" } else { "samples" };
        match (loss, returns) {
            (loss, Some(returns)) if loss.is_none() || env_steps > 0 => {
                line += &format!("  return {}", figure(returns.mean));
            }
            // An iteration may be too short for an episode to end in it.
            (_, None) if env_steps > 0 => {}
            (loss, _) => line += &format!("  loss {:.4}", loss.unwrap_or(f64::NAN)),
        }
        match self.evaluation {
            None => {}
            Some(Judgement::Returns(evaluation)) => {
                line += &format!("  evaluation {}", figure(evaluation.mean));
            }
            Some(Judgement::Errors(errors)) => {
                if let Some(error) = errors.error_rate {
                    line += &format!("  validation error {}", percent(error));
                }
                line += &format!("  test error {}", percent(errors.test_error));
            }
        }
        line += &format!("  {} {unit}", quantity(work(row) as f64));
        if self.rate > 0.0 {
            line += &format!("  {} {unit}/s", quantity(self.rate));
        }
        if let Some(left) = self.seconds_left(row) {
            line += &format!("  {} to the limit", duration(left));
        }
        line
    }
}

impl Recorder for Console {
    fn start(&mut self, run: &RunInfo) -> Result<(), RecordError> {
        let mut line = format!(
            "{} on {}: {}, {}, {} x {}",
            run.method,
            run.env,
            parameters(run),
            run.scale,
            plural(run.ranks, "rank"),
            plural(run.threads, "thread"),
        );
        if let Some(generation) = run.resumed_at {
            line += &format!(", going on after {} {generation}", run.row);
        }
        self.run = Some(run.clone());
        self.say(&line);
        self.sign_of_life = Some(match &self.bar {
            None => SignOfLife::new(SILENCE, false, |line| {
                drop(writeln!(std::io::stderr(), "{line}"));
            }),
            Some(bar) => {
                bar.enable_steady_tick(TICK);
                let bar = bar.clone();
                SignOfLife::new(PATIENCE, true, move |line| bar.set_message(line.to_owned()))
            }
        });
        Ok(())
    }

    fn row(&mut self, row: &Row) -> Result<(), RecordError> {
        self.measure(row);
        if let (Some(sign), Some(run)) = (&self.sign_of_life, &self.run) {
            let first = if self.bar.is_some() { PATIENCE } else { SILENCE };
            sign.row(format!("{} {}", run.row, row.generation), first);
        }
        if let Some(evaluation) = row.evaluation {
            self.evaluation = Some(evaluation);
        }
        let status = self.status(row);
        let silence = self.last_line.elapsed();
        let is_due = match row.evaluation {
            Some(_) => silence >= shortest_silence(self.began.elapsed()),
            None => self.bar.is_none() && silence > SILENCE,
        };
        if is_due || self.verbose {
            self.say(&status);
        }
        let share = self.share_done(row);
        if let Some(bar) = &self.bar {
            if let (Some(share), Ok(style)) = (share, ProgressStyle::with_template(BAR)) {
                bar.set_length(THOUSANDTHS);
                bar.set_style(style);
                bar.set_position((share * THOUSANDTHS as f64) as u64);
            }
            bar.set_message(status);
            bar.tick();
        }
        Ok(())
    }

    fn event(&mut self, line: &str) -> Result<(), RecordError> {
        self.say(line);
        Ok(())
    }

    fn finish(&mut self, summary: &Summary) -> Result<(), RecordError> {
        self.sign_of_life = None;
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
        let Some(run) = self.run.take() else { return Ok(()) };
        let verdict = match summary.solved {
            Some(true) => "solved",
            Some(false) => "not solved",
            None => "finished",
        };
        if let Some(test_error) = summary.final_test_error {
            let validation =
                summary.final_error_rate.map(|e| format!("validation error {}, ", percent(e)));
            let threshold = run.threshold.map(|t| format!(" (threshold {})", percent(t)));
            self.say(&format!(
                "{verdict}: {}, {}test error {}{}, after {} samples and {} of training (stopped by \
                 {})",
                run.env,
                validation.unwrap_or_default(),
                percent(test_error),
                threshold.unwrap_or_default(),
                quantity(summary.samples.unwrap_or_default() as f64),
                duration(summary.wall_seconds),
                summary.stop_reason,
            ));
            return Ok(());
        }
        let threshold = run.threshold.map(|t| format!(" (threshold {})", figure(t)));
        self.say(&format!(
            "{verdict}: {}, mean return {} on fresh episodes{}, after {}, {} steps and {} of \
             training (stopped by {})",
            run.env,
            summary.final_evaluation_mean.map_or("none".into(), figure),
            threshold.unwrap_or_default(),
            plural(summary.generations as usize, run.row),
            quantity(summary.env_steps as f64),
            duration(summary.wall_seconds),
            summary.stop_reason,
        ));
        Ok(())
    }
}

/// The live line of a run that has a limit.
const BAR: &str = "{spinner} {bar:16} {percent:>3} %  {wide_msg}";

/// The bar's length.
const THOUSANDTHS: u64 = 1000;

/// Time between two lines at least, after a run has taken `elapsed`.
fn shortest_silence(elapsed: Duration) -> Duration {
    (elapsed / LINES).min(SILENCE)
}

/// How many parameters there are, and of what.
fn parameters(run: &RunInfo) -> String {
    match run.value_parameters {
        0 => format!("{} parameters", run.parameters),
        of_value => {
            format!("{} parameters of the policy and {of_value} of the value", run.parameters)
        }
    }
}

/// What the rate counts: environment steps, or samples.
fn work(row: &Row) -> u64 {
    let has_samples = row.interval.samples > 0 && row.interval.env_steps == 0;
    if has_samples { row.samples } else { row.env_steps }
}

fn percent(share: f64) -> String {
    format!("{:.2} %", 100.0 * share)
}

/// A count with its noun: `1 rank`, `2 ranks`.
pub(crate) fn plural(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// A return as people read it: `475.31`, and `-2.85e-4` where two decimals would say nothing.
pub fn figure(value: f64) -> String {
    let small = value != 0.0 && value.abs() < 0.1;
    if small { format!("{value:.2e}") } else { format!("{value:.2}") }
}

/// Seconds as people read them: `0.21 s`, `45 s`, `12 min`, `2.5 h`.
pub fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 10.0 => format!("{s:.2} s"),
        s if s < 120.0 => format!("{s:.0} s"),
        s if s < 7200.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.1} h", s / 3600.0),
    }
}

/// A count as people read it: `950`, `12.3 k`, `4.56 M`.
pub fn quantity(value: f64) -> String {
    match value {
        v if v < 1e3 => format!("{v:.0}"),
        v if v < 1e6 => format!("{:.1} k", v / 1e3),
        v if v < 1e9 => format!("{:.2} M", v / 1e6),
        v => format!("{:.2} G", v / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evaluations_of_a_long_run_are_told_now_and_then() {
        let after = |seconds| shortest_silence(Duration::from_secs(seconds));
        assert!(after(0).is_zero());
        assert_eq!(after(100), Duration::from_secs(2));
        assert_eq!(after(100_000), SILENCE);
    }

    #[test]
    fn returns_near_zero_keep_their_digits() {
        let texts = [475.314, -90.0, 0.0, -0.1, 0.05, -2.854e-4].map(figure);
        assert_eq!(texts, ["475.31", "-90.00", "0.00", "-0.10", "5.00e-2", "-2.85e-4"]);
    }
}
