//! `run.log` read back: warnings and events, one a line, but for tracebacks.

use std::path::Path;

/// What a run's log says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Log {
    /// All entries, the lines of a traceback together.
    pub entries: Vec<String>,
}

/// How entries begin; every other line goes on with the one before.
const BEGINNINGS: [&str; 6] =
    ["warning: ", "started: ", "resumed ", "stopped ", "failed: ", "generation "];

impl Log {
    /// The log of the run in this directory; empty where there is none.
    pub fn of(run: &Path) -> Self {
        let bytes = std::fs::read(run.join(super::run_directory::LOG)).unwrap_or_default();
        Log::parse(&String::from_utf8_lossy(&bytes))
    }

    fn parse(text: &str) -> Self {
        let mut entries: Vec<String> = Vec::new();
        for line in text.lines() {
            match entries.last_mut() {
                Some(last) if !BEGINNINGS.iter().any(|begin| line.starts_with(begin)) => {
                    last.push('\n');
                    last.push_str(line);
                }
                _ => entries.push(line.to_owned()),
            }
        }
        Log { entries }
    }

    /// The warnings, in order, without the word.
    pub fn warnings(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().filter_map(|entry| entry.strip_prefix("warning: "))
    }

    /// How often the run was started or resumed.
    pub fn starts(&self) -> usize {
        self.entries.iter().filter(|entry| is_start(entry)).count()
    }

    /// The entry that says that the process stopped or failed, if none has begun since.
    pub fn end(&self) -> Option<&str> {
        let last = self.entries.iter().rev().find(|entry| is_start(entry) || is_end(entry))?;
        is_end(last).then_some(last)
    }

    /// Ranks and threads of each, of the last process.
    pub fn place(&self) -> Option<(usize, usize)> {
        let start = self.entries.iter().rev().find(|entry| is_start(entry))?;
        let after = |word: &str| -> Option<usize> {
            let rest = start.split_once(word)?.1;
            rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
        };
        Some((after(": ranks ")?, after("threads of each ")?))
    }
}

fn is_start(entry: &str) -> bool {
    entry.starts_with("started: ") || entry.starts_with("resumed ")
}

fn is_end(entry: &str) -> bool {
    entry.starts_with("stopped ") || entry.starts_with("failed: ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_tell_of_warnings_and_of_the_last_process() {
        let log = Log::parse(
            "started: ranks 2, threads of each 1\nwarning: generation 3: members without a return: \
             1; Traceback\n  File \"a.py\"\nValueError\nstopped in row 4\n",
        );
        assert_eq!(log.entries.len(), 3);
        assert_eq!(log.warnings().next().unwrap().lines().count(), 3);
        assert_eq!((log.end(), log.place()), (Some("stopped in row 4"), Some((2, 1))));
        let log = Log::parse(
            "started: ranks 2, threads of each 1\nstopped in row 4\nresumed after row 4: ranks 1, \
             threads of each 8\n",
        );
        assert_eq!((log.end(), log.place(), log.starts()), (None, Some((1, 8)), 2));
        assert_eq!(Log::parse("").place(), None);
    }
}
