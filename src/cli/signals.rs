//! Signals that ask a run to stop after the generation at work.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use signal_hook::consts::{SIGINT, SIGTERM, SIGUSR1};
use signal_hook::flag;
use signal_hook::iterator::Signals as Incoming;

/// A signal that comes this soon after the first is the same one, sent to the process and to its group.
const SAME: Duration = Duration::from_secs(1);

/// Exit code of a process that a second Ctrl-C ends at once, as shells have it.
const KILLED_BY_INT: i32 = 130;

/// Listens from when it is made. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Signals {
    asked: Arc<AtomicBool>,
}

impl Signals {
    /// Catches SIGINT, SIGTERM and SIGUSR1, the signal that Slurm can send before a time limit.
    /// A second SIGINT or SIGTERM, a second or more later, ends the process at once.
    pub fn listen() -> anyhow::Result<Self> {
        let asked = Arc::new(AtomicBool::new(false));
        let is_over = Arc::new(AtomicBool::new(false));
        let register = || {
            for signal in [SIGINT, SIGTERM] {
                flag::register_conditional_shutdown(signal, KILLED_BY_INT, Arc::clone(&is_over))?;
            }
            for signal in [SIGINT, SIGTERM, SIGUSR1] {
                flag::register(signal, Arc::clone(&asked))?;
            }
            let mut signals = Incoming::new([SIGINT, SIGTERM, SIGUSR1])?;
            std::thread::spawn(move || {
                if signals.forever().next().is_some() {
                    std::thread::sleep(SAME);
                    is_over.store(true, Ordering::Relaxed);
                }
            });
            Ok::<(), std::io::Error>(())
        };
        register().context("cannot listen for signals")?;
        Ok(Signals { asked })
    }

    /// Says when the first signal comes what will happen, for a generation may take minutes.
    pub fn announce(&self) -> anyhow::Result<()> {
        let mut signals = Incoming::new([SIGINT, SIGTERM, SIGUSR1])?;
        std::thread::spawn(move || {
            if signals.forever().next().is_some() {
                eprintln!(
                    "stopping after the generation, iteration or updates at work; a second Ctrl-C or SIGTERM ends at \
                     once, without a checkpoint"
                );
            }
        });
        Ok(())
    }

    /// Whether a signal has come, or the stop file is there.
    pub fn asked(&self, stop_file: &Path) -> bool {
        self.asked.load(Ordering::Relaxed) || stop_file.exists()
    }

    /// Whether a signal has come.
    pub fn came(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }
}
