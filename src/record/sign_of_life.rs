//! What is told while a row takes long: how much has been done since the last one. It only watches, and
//! nothing that computes hears of its clock.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::{duration, plural, quantity};
use crate::activity::Activity;

/// Somebody who tells, on a thread of its own, until dropped.
pub(crate) struct SignOfLife {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    /// After which row, such as `generation 5`.
    after: String,
    since: Instant,
    activity: Activity,
    /// Silence until the next line.
    next: Duration,
    is_over: bool,
}

impl SignOfLife {
    /// After `first` without a row `tell` hears how things stand, and then after the double, and so on;
    /// or each time after `first` if `steadily`.
    pub fn new(first: Duration, steadily: bool, tell: impl Fn(&str) + Send + 'static) -> Self {
        let state = State {
            after: "the start".to_owned(),
            since: Instant::now(),
            activity: Activity::so_far(),
            next: first,
            is_over: false,
        };
        let shared = Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new() });
        let own = shared.clone();
        let work = move || own.watch(first, steadily, tell);
        // A run without signs of life is a run nevertheless.
        let thread = std::thread::Builder::new().name("sign of life".into()).spawn(work).ok();
        SignOfLife { shared, thread }
    }

    /// A row is done, after which things begin anew.
    pub fn row(&self, name: String, first: Duration) {
        let mut state = self.shared.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.after = name;
        state.since = Instant::now();
        state.activity = Activity::so_far();
        state.next = first;
    }
}

impl Drop for SignOfLife {
    fn drop(&mut self) {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner).is_over = true;
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn watch(&self, first: Duration, steadily: bool, tell: impl Fn(&str)) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        while !state.is_over {
            let elapsed = state.since.elapsed();
            if elapsed >= state.next {
                state.next = if steadily { elapsed + first } else { 2 * state.next };
                let done = Activity::so_far().since(state.activity);
                let line = line(&state.after, elapsed, done);
                // Whoever prints a row must not wait for this.
                drop(state);
                tell(&line);
                state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let left = state.next - elapsed;
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

fn line(after: &str, elapsed: Duration, done: Activity) -> String {
    let told = |count: u64, noun: &str| match count {
        0 => None,
        1..1000 => Some(plural(count as usize, noun)),
        many => Some(format!("{} {noun}s", quantity(many as f64))),
    };
    let done = [told(done.episodes, "episode"), told(done.gradients, "gradient")];
    let done: Vec<String> = done.into_iter().flatten().collect();
    let elapsed = duration(elapsed.as_secs_f64());
    match done.is_empty() {
        true => format!("at work for {elapsed} since {after}"),
        false => format!("at work: {} in {elapsed} since {after}", done.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn a_line_says_what_is_known() {
        let after = |seconds| Duration::from_secs(seconds);
        let done = Activity { episodes: 1, gradients: 12_345 };
        assert_eq!(
            line("generation 5", after(31), done),
            "at work: 1 episode, 12.3 k gradients in 31 s since generation 5"
        );
        let none = line("the start", after(600), Activity::default());
        assert_eq!(none, "at work for 10 min since the start");
    }

    #[test]
    fn silence_is_broken_again_and_again_until_the_run_is_over() {
        let (sender, lines) = mpsc::channel();
        let first = Duration::from_millis(1);
        let tell = move |line: &str| drop(sender.send(line.to_owned()));
        let sign = SignOfLife::new(first, false, tell);
        for _ in 0..3 {
            assert!(lines.recv().unwrap().ends_with("since the start"));
        }
        sign.row("row 7".to_owned(), first);
        while !lines.recv().unwrap().ends_with("since row 7") {}
        drop(sign);
        // Whoever told is gone: what is left of the lines ends.
        assert!(lines.iter().count() < usize::MAX);
    }
}
