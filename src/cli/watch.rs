//! `es-train watch`: a run at work, in the terminal.

mod bars;
mod charts;
mod fit;
mod lock;
mod pace;
mod screen;
mod state;

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Args;
use ratatui::DefaultTerminal;
use ratatui::buffer::Buffer;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyModifiers};
use ratatui::layout::{Rect, Size};

use self::state::Watched;
use super::signals::Signals;
use super::{Failure, print};
use crate::record::RunDirectory;

#[derive(Clone, Debug, Args)]
pub(super) struct WatchArguments {
    /// The run directory.
    #[arg(value_name = "RUN_DIR")]
    run: PathBuf,
    /// Print how things stand as plain text and end, as into a pipe.
    #[arg(long)]
    once: bool,
    /// Seconds between two looks at the run.
    #[arg(long, value_name = "SECONDS", default_value_t = 1.0, value_parser = seconds)]
    every: f64,
    /// The directory of data sets, where epochs are counted [default: ES_TRAIN_DATA, else es-train in
    /// the user's cache].
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

fn seconds(text: &str) -> Result<f64, String> {
    let seconds = text.parse().ok().filter(|seconds| (0.05..=3600.0).contains(seconds));
    seconds.ok_or_else(|| "expected a number of seconds from 0.05 to 3600".to_owned())
}

/// Longest time after which a key or a signal is answered.
const PATIENCE: Duration = Duration::from_millis(100);

pub(super) fn run(arguments: &WatchArguments) -> Result<u8, Failure> {
    if !RunDirectory::holds_run(&arguments.run) {
        return Err(Failure::usage(format!(
            "{}: no run here (no experiment.toml); give the directory that `es-train train` named",
            arguments.run.display()
        )));
    }
    let mut watched = Watched::new(&arguments.run, arguments.data.as_deref());
    watched.refresh()?;
    let live = !arguments.once && std::io::stdout().is_terminal();
    if live && !watched.is_over() {
        let signals = Signals::listen()?;
        let terminal = ratatui::try_init().context("the terminal cannot be drawn on")?;
        let result =
            follow(terminal, &mut watched, Duration::from_secs_f64(arguments.every), &signals);
        ratatui::restore();
        result?;
    }
    // What stays when the screen is gone.
    let terminal = std::io::stdout().is_terminal().then(ratatui::crossterm::terminal::size);
    let terminal = terminal.and_then(Result::ok).map(Size::from);
    print(&screen::plain(&watched, terminal));
    Ok(0)
}

/// The run in this directory, on screens of several sizes.
pub(super) fn looked_at(run: &Path) -> Result<(), Failure> {
    let mut watched = Watched::new(run, None);
    watched.refresh()?;
    for (width, height) in [(1, 1), (60, 20), (200, 50)] {
        let area = Rect::new(0, 0, width, height);
        screen::draw(&watched, area, &mut Buffer::empty(area));
    }
    screen::plain(&watched, None);
    screen::plain(&watched, Some(Size::new(80, 24)));
    watched.refresh()
}

/// Shows the run until it ends or somebody has seen enough.
fn follow(
    mut terminal: DefaultTerminal,
    watched: &mut Watched,
    every: Duration,
    signals: &Signals,
) -> Result<(), Failure> {
    let drawing = "the terminal cannot be drawn on";
    loop {
        let looked = Instant::now();
        terminal
            .draw(|frame| screen::draw(watched, frame.area(), frame.buffer_mut()))
            .context(drawing)?;
        if watched.is_over() {
            return Ok(());
        }
        while looked.elapsed() < every {
            if signals.came() {
                return Ok(());
            }
            let left = every.saturating_sub(looked.elapsed());
            if !event::poll(left.min(PATIENCE)).context(drawing)? {
                continue;
            }
            match event::read().context(drawing)? {
                Event::Key(key) if is_farewell(key.code, key.modifiers) => return Ok(()),
                Event::Resize(..) => break,
                _ => {}
            }
        }
        watched.refresh()?;
    }
}

fn is_farewell(code: KeyCode, modifiers: KeyModifiers) -> bool {
    match code {
        KeyCode::Char('q' | 'Q') | KeyCode::Esc => true,
        KeyCode::Char('c' | 'd') => modifiers.contains(KeyModifiers::CONTROL),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn q_escape_and_control_c_say_farewell() {
        for (code, modifiers) in [
            (KeyCode::Char('q'), KeyModifiers::NONE),
            (KeyCode::Esc, KeyModifiers::NONE),
            (KeyCode::Char('c'), KeyModifiers::CONTROL),
        ] {
            assert!(is_farewell(code, modifiers));
        }
        assert!(!is_farewell(KeyCode::Char('c'), KeyModifiers::NONE));
    }
}
