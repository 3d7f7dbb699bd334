//! How far a command has come with many things of a kind: on a terminal a bar with rate and time
//! left, in a log a line now and then.

use std::io::IsTerminal;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::record::{SignOfLife, duration, quantity};

/// Silence of a log between two lines.
const SILENCE: Duration = Duration::from_secs(30);

/// Between two movements on a terminal.
const TICK: Duration = Duration::from_millis(250);

/// The progress of a command, on standard error.
pub(super) struct Progress {
    bar: Option<ProgressBar>,
    /// What is counted, in plural.
    noun: &'static str,
    total: u64,
    /// Done by this call of the command.
    done: AtomicU64,
    /// Done before, which says nothing of the rate.
    before: AtomicU64,
    began: Instant,
    last_line: Mutex<Instant>,
    quiet: bool,
    /// In a log, while nothing gets done.
    sign_of_life: Option<SignOfLife>,
}

impl Progress {
    /// Nothing done yet of `total` things. Shows nothing if `quiet`.
    pub fn new(noun: &'static str, total: u64, quiet: bool) -> Self {
        let show = !quiet && std::io::stderr().is_terminal();
        let now = Instant::now();
        Progress {
            bar: show.then(|| {
                let template = format!("{{spinner}} {{bar:30}} {{pos}} of {{len}} {noun}{{msg}}");
                let bar = ProgressBar::new(total);
                bar.enable_steady_tick(TICK);
                match ProgressStyle::with_template(&template) {
                    Ok(style) => bar.with_style(style),
                    Err(_) => bar,
                }
            }),
            noun,
            total,
            done: AtomicU64::new(0),
            before: AtomicU64::new(0),
            began: now,
            last_line: Mutex::new(now),
            quiet,
            sign_of_life: (!quiet && !show)
                .then(|| SignOfLife::new(SILENCE, false, |line| eprintln!("{line}"))),
        }
    }

    /// One more is done, `worked` for or found done before; all that are done now.
    pub fn add(&self, worked: bool) -> u64 {
        let counter = if worked { &self.done } else { &self.before };
        counter.fetch_add(1, Ordering::Relaxed);
        let all = self.all();
        if let Some(sign) = &self.sign_of_life {
            sign.row(format!("{all} of {} {}", self.total, self.noun), SILENCE);
        }
        match &self.bar {
            Some(bar) => {
                bar.set_message(self.pace());
                bar.set_position(all);
            }
            None if !self.quiet && all < self.total => self.say_now_and_then(),
            None => {}
        }
        all
    }

    fn all(&self) -> u64 {
        self.done.load(Ordering::Relaxed) + self.before.load(Ordering::Relaxed)
    }

    /// Says a line without disturbing the bar.
    pub fn say(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| eprintln!("{line}")),
            None => eprintln!("{line}"),
        }
        if let Ok(mut last) = self.last_line.lock() {
            *last = Instant::now();
        }
    }

    /// In a log, a line if there was none for a while.
    fn say_now_and_then(&self) {
        // Another thread is at it.
        let Ok(mut last) = self.last_line.try_lock() else { return };
        if last.elapsed() < SILENCE {
            return;
        }
        *last = Instant::now();
        drop(last);
        eprintln!("{} of {} {}{}", self.all(), self.total, self.noun, self.pace());
    }

    /// Rate and time left, such as `, 12 a second, 45 s left`; nothing before the first.
    pub fn pace(&self) -> String {
        let left = self.total.saturating_sub(self.all());
        pace(self.done.load(Ordering::Relaxed), left, self.began.elapsed())
    }

    /// Seconds left, for a log that has no bar and is worth a word on it.
    pub fn left(&self) -> Option<f64> {
        let done = self.done.load(Ordering::Relaxed);
        let left = self.total.saturating_sub(self.all());
        let seconds = left as f64 * self.began.elapsed().as_secs_f64() / done.max(1) as f64;
        (self.bar.is_none() && done > 0 && left > 0 && seconds >= 1.0).then_some(seconds)
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn pace(done: u64, left: u64, elapsed: Duration) -> String {
    let seconds = elapsed.as_secs_f64();
    if done == 0 || seconds <= 0.0 {
        return String::new();
    }
    let rate = done as f64 / seconds;
    let shown = match rate {
        rate if rate >= 10.0 => format!("{} a second", quantity(rate)),
        rate if rate >= 1.0 => format!("{rate:.1} a second"),
        rate => format!("{} each", duration(1.0 / rate)),
    };
    match left {
        0 => format!(", {shown}"),
        left => format!(", {shown}, about {} left", duration(left as f64 / rate)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pace_is_that_of_what_was_worked_for() {
        let after = |seconds| Duration::from_secs(seconds);
        assert_eq!(pace(0, 10, after(5)), "");
        assert_eq!(pace(100, 400, after(5)), ", 20 a second, about 20 s left");
        assert_eq!(pace(6, 3, after(5)), ", 1.2 a second, about 2.50 s left");
        assert_eq!(pace(2, 1, after(60)), ", 30 s each, about 30 s left");
        assert_eq!(pace(2, 0, after(60)), ", 30 s each");
    }

    #[test]
    fn what_was_done_before_counts_but_not_in_the_pace() {
        let progress = Progress::new("runs", 3, true);
        assert_eq!(progress.add(false), 1);
        assert_eq!(progress.pace(), "");
        assert_eq!(progress.add(true), 2);
        assert!(progress.pace().ends_with(" left"), "{}", progress.pace());
    }
}
