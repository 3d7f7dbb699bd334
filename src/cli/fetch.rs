//! `es-train fetch`

use std::io::IsTerminal;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use super::{Failure, print};
use crate::dataset::download::{DownloadError, Event, download};
use crate::dataset::known::known;
use crate::dataset::{DataSetError, NAMES, find};
use crate::record::{duration, quantity};

#[derive(Clone, Debug, Args)]
pub(super) struct FetchArguments {
    /// The data sets; `es-train list data-sets` shows them.
    #[arg(value_name = "NAME", required = true)]
    names: Vec<String>,
    /// The directory of data sets; each gets a directory of its name there [default: ES_TRAIN_DATA,
    /// else es-train in the user's cache].
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Get the files of the one data set from URL/FILE instead of from where they are published.
    #[arg(long, value_name = "URL", value_parser = address)]
    mirror: Option<String>,
    /// Say nothing but where the data sets are, and errors.
    #[arg(short, long)]
    quiet: bool,
}

fn address(text: &str) -> Result<String, String> {
    let is_address = ["http://", "https://"].iter().any(|scheme| text.starts_with(scheme));
    is_address.then(|| text.to_owned()).ok_or_else(|| "expected http://... or https://...".into())
}

pub(super) fn run(arguments: &FetchArguments) -> Result<u8, Failure> {
    let names = &arguments.names;
    if let Some(name) = names.iter().find(|name| !NAMES.contains(&name.as_str())) {
        return Err(Failure::usage(DataSetError::Unknown { name: name.clone() }.to_string()));
    }
    if arguments.mirror.is_some() && names.len() > 1 {
        return Err(Failure::usage(format!(
            "--mirror has the files of one data set, expected one name instead of {}: the files of \
             all data sets have the same names; fetch them one by one",
            names.len()
        )));
    }
    let root = find::directory(arguments.data.as_deref())
        .map_err(|error| Failure::usage(error.to_string()))?;
    for name in names {
        let Some(set) = known(name) else {
            print(&format!("{name} is made in the program: there is nothing to download\n"));
            continue;
        };
        let directory = root.join(name);
        let mut screen = Screen { quiet: arguments.quiet, ..Screen::default() };
        let mirror = arguments.mirror.as_deref();
        let result = download(set, &directory, mirror, &mut |event| screen.show(&event));
        screen.end_bar();
        result.map_err(|error| match error {
            DownloadError::Busy(_) => Failure::usage(error.to_string()),
            _ => Failure::failed(error.to_string()),
        })?;
        print(&format!("{name} is in {}\n", directory.display()));
    }
    Ok(0)
}

/// Silence of a log while a file arrives.
const SILENCE: Duration = Duration::from_secs(30);

/// What a person sees of a download, on standard error: lines, and on a terminal a bar.
#[derive(Default)]
struct Screen {
    quiet: bool,
    bar: Option<ProgressBar>,
    /// The file on its way, where there is no bar.
    arriving: Option<Arriving>,
    /// What failed, told once something else begins; if nothing does, the error at the end says it.
    failed: Vec<String>,
}

impl Screen {
    fn show(&mut self, event: &Event) {
        match event {
            Event::Present { path } => self.say(&format!("{}: already here", path.display())),
            Event::Wrong { path } => self.say(&format!(
                "{}: not the file that is published (wrong checksum); downloading it again",
                path.display()
            )),
            Event::Started { url, arrived, total } => {
                let from = match arrived {
                    0 => String::new(),
                    bytes => format!(", from byte {bytes} on"),
                };
                for line in std::mem::take(&mut self.failed) {
                    self.say(&line);
                }
                self.say(&format!("{url}{from}"));
                let show = !self.quiet && std::io::stderr().is_terminal();
                self.bar = show.then(|| bar(*arrived, *total));
                let now = Instant::now();
                self.arriving =
                    Some(Arriving { first: *arrived, total: *total, began: now, told: now });
            }
            Event::Arrived { arrived } => {
                if let Some(bar) = &self.bar {
                    bar.set_position(*arrived);
                } else if let Some(line) =
                    self.arriving.as_mut().and_then(|arriving| arriving.line(*arrived))
                {
                    self.say(&line);
                }
            }
            Event::Failed { url, reason } => self.failed.push(format!("{url}: {reason}")),
            Event::Done { path, bytes } => {
                self.say(&format!("{}: {bytes} bytes", path.display()));
            }
        }
    }

    fn say(&mut self, line: &str) {
        self.end_bar();
        if !self.quiet {
            eprintln!("es-train: {line}");
        }
    }

    fn end_bar(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

/// A file on its way.
struct Arriving {
    /// Bytes that were there at the start.
    first: u64,
    total: Option<u64>,
    began: Instant,
    /// When something was last said of it.
    told: Instant,
}

impl Arriving {
    /// How far it has come, for a log, if nothing was said for a while.
    fn line(&mut self, arrived: u64) -> Option<String> {
        if self.told.elapsed() < SILENCE {
            return None;
        }
        self.told = Instant::now();
        let rate = (arrived - self.first) as f64 / self.began.elapsed().as_secs_f64();
        Some(self.words(arrived, rate))
    }

    /// Such as `3.20 MB of 9.91 MB, 1.1 MB/s, 6 s left`; `rate` in bytes a second.
    fn words(&self, arrived: u64, rate: f64) -> String {
        let bytes = |count: f64| format!("{}B", quantity(count));
        let (arrived, speed) = (arrived as f64, bytes(rate));
        match self.total.map(|total| total as f64) {
            Some(total) if rate > 0.0 => format!(
                "{} of {}, {speed}/s, {} left",
                bytes(arrived),
                bytes(total),
                duration((total - arrived).max(0.0) / rate)
            ),
            _ => format!("{}, {speed}/s", bytes(arrived)),
        }
    }
}

fn bar(arrived: u64, total: Option<u64>) -> ProgressBar {
    let (bar, template) = match total {
        Some(total) => (
            ProgressBar::new(total),
            "{bar:40} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left",
        ),
        None => (ProgressBar::new_spinner(), "{spinner} {bytes}, {bytes_per_sec}"),
    };
    bar.set_position(arrived);
    // Speed is that of this download.
    bar.reset_eta();
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_tells_of_a_download_now_and_then() {
        let now = Instant::now();
        let mut arriving = Arriving { first: 0, total: Some(9_912_422), began: now, told: now };
        assert_eq!(arriving.line(5), None);
        assert_eq!(arriving.words(2_000_000, 1e6), "2.00 MB of 9.91 MB, 1.00 MB/s, 7.91 s left");
        arriving.total = None;
        assert_eq!(arriving.words(2_000_000, 1e6), "2.00 MB, 1.00 MB/s");
    }
}
