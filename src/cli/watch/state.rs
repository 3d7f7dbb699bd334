//! What is known of a run that is being watched.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::lock;
use crate::cli::Failure;
use crate::dataset;
use crate::experiment::{Experiment, Source};
use crate::record::{Follow, Log, Rows, RunDirectory, Summary, duration};

/// A run as its directory tells of it.
pub(super) struct Watched {
    path: PathBuf,
    data: Option<PathBuf>,
    follow: Follow,
    /// The text of the experiment that is read.
    text: String,
    experiment: Option<Experiment>,
    /// Samples of an epoch, where epochs end the run.
    epoch: Option<usize>,
    summary: Option<Summary>,
    log: Log,
    /// Whether a process has been seen to hold the run, and whether one does.
    was_held: bool,
    is_held: Option<bool>,
    changed: Option<SystemTime>,
}

impl Watched {
    pub fn new(path: &Path, data: Option<&Path>) -> Self {
        Watched {
            path: path.to_owned(),
            data: data.map(Path::to_owned),
            follow: Follow::new(path),
            text: String::new(),
            experiment: None,
            epoch: None,
            summary: None,
            log: Log::default(),
            was_held: false,
            is_held: None,
            changed: None,
        }
    }

    /// Looks at the directory again. What is missing for the moment, as while a run is started anew in
    /// its place, stays as it was.
    pub fn refresh(&mut self) -> Result<(), Failure> {
        // Before the summary: a run that has just let go has written one.
        self.is_held = lock::is_held(&RunDirectory::lock_file(&self.path));
        self.was_held |= self.is_held == Some(true);
        if let Ok(text) = RunDirectory::experiment(&self.path)
            && text != self.text
        {
            self.read_experiment(&text)?;
            self.text = text;
        }
        self.follow.refresh()?;
        self.log = Log::of(&self.path);
        self.summary = RunDirectory::summary(&self.path);
        self.changed = RunDirectory::progress_time(&self.path);
        Ok(())
    }

    fn read_experiment(&mut self, text: &str) -> Result<(), Failure> {
        let origin = self.path.join("experiment.toml").display().to_string();
        let experiment = Source::from_named_text(&origin, text)?.resolve()?.0;
        let task = &experiment.task;
        self.epoch = match (&task.dataset, experiment.stop.epochs) {
            (Some(name), Some(_)) => dataset::load(name, task.split, self.data.as_deref())
                .ok()
                .map(|data| data.training.len()),
            _ => None,
        };
        self.experiment = Some(experiment);
        Ok(())
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn rows(&self) -> &Rows {
        self.follow.rows()
    }

    pub fn experiment(&self) -> Option<&Experiment> {
        self.experiment.as_ref()
    }

    pub fn summary(&self) -> Option<&Summary> {
        self.summary.as_ref()
    }

    pub fn log(&self) -> &Log {
        &self.log
    }

    pub fn epoch(&self) -> Option<usize> {
        self.epoch
    }

    /// Whether it is judged by errors.
    pub fn has_errors(&self) -> bool {
        self.experiment.as_ref().is_some_and(|experiment| experiment.task.dataset.is_some())
    }

    /// Whether nothing more will come of the process that was at work, as far as can be known.
    pub fn is_over(&self) -> bool {
        let let_go = self.was_held && self.is_held == Some(false);
        self.summary.is_some() || self.log.end().is_some() || let_go
    }

    /// How the run stands, in words.
    pub fn status(&self) -> String {
        if let Some(summary) = &self.summary {
            let solved = match summary.solved {
                Some(true) => "solved",
                Some(false) => "not solved",
                None => "finished",
            };
            return format!("{solved}, stopped by {}", summary.stop_reason);
        }
        if let Some(end) = self.log.end() {
            return end.lines().next().unwrap_or_default().to_owned();
        }
        let age = self.changed.and_then(|changed| changed.elapsed().ok());
        let age = age.map(|age| duration(age.as_secs_f64()));
        if self.was_held && self.is_held == Some(false) {
            return "its process has ended without a word; `es-train resume` goes on with it"
                .into();
        }
        let standing = match (self.rows().is_empty(), age) {
            (true, _) => "no row yet".to_owned(),
            (false, Some(age)) => format!("unfinished, last row {age} ago"),
            (false, None) => "unfinished".to_owned(),
        };
        match self.is_held {
            // Locks of other machines are not seen here.
            Some(false) => format!(
                "{standing}; no process of this machine is at it, `es-train resume` goes on with it"
            ),
            _ => standing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXPERIMENT: &str = "[task]\nenv = \"CartPole-v1\"\n[stop]\ngenerations = 9\n";

    fn run(rows: &str) -> tempfile::TempDir {
        let run = tempfile::tempdir().unwrap();
        std::fs::write(run.path().join("experiment.toml"), EXPERIMENT).unwrap();
        std::fs::write(run.path().join("progress.csv"), rows).unwrap();
        run
    }

    #[test]
    fn a_run_that_is_started_anew_or_resumed_under_it_is_followed() {
        let run = run("generation,return_mean\n1,5\n2,6\n3,7");
        let write = |name: &str, text: &str| std::fs::write(run.path().join(name), text).unwrap();
        let mut watched = Watched::new(run.path(), None);
        watched.refresh().unwrap();
        assert_eq!((watched.rows().len(), watched.is_over()), (2, false));
        // --overwrite takes everything away and begins with the experiment.
        std::fs::remove_file(run.path().join("experiment.toml")).unwrap();
        std::fs::remove_file(run.path().join("progress.csv")).unwrap();
        watched.refresh().unwrap();
        assert!(watched.rows().is_empty() && watched.experiment().is_some());
        write("experiment.toml", &EXPERIMENT.replace('9', "20"));
        write("progress.csv", "generation,return_mean\n1,1\n");
        watched.refresh().unwrap();
        assert_eq!(watched.experiment().unwrap().stop.generations, Some(20));
        assert_eq!(watched.rows().last("return_mean"), Some(1.0));
        write("run.log", "started: ranks 1, threads of each 2\nstopped in row 2\n");
        watched.refresh().unwrap();
        assert!(watched.is_over() && watched.status() == "stopped in row 2");
        write("run.log", "stopped in row 2\nresumed after row 1: ranks 1, threads of each 2\n");
        watched.refresh().unwrap();
        assert!(!watched.is_over());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_run_whose_process_is_gone_is_over() {
        let run = run("generation\n1\n");
        let mut watched = Watched::new(run.path(), None);
        let lock = std::fs::File::create(run.path().join("lock")).unwrap();
        lock.lock().unwrap();
        watched.refresh().unwrap();
        if watched.is_held != Some(true) {
            eprintln!("skipped: this file system's locks are not in /proc/locks");
            return;
        }
        assert!(!watched.is_over());
        drop(lock);
        watched.refresh().unwrap();
        assert!(watched.is_over() && watched.status().contains("resume"));
    }
}
