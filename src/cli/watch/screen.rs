//! Everything on the screen, and the same as plain text.

use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect, Size};
use ratatui::style::{Color, Style, Stylize};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Paragraph, Widget};

use super::bars::Room;
use super::state::Watched;
use super::{bars, charts, fit};
use crate::record::plural;

/// Columns and lines of plain text, which has more lines where there is more to say.
const PLAIN: (u16, u16) = (100, 28);

/// Columns of the panel of numbers, its frame included, and what they are where both sides need room.
const PANEL: u16 = 46;
const NARROW_PANEL: u16 = 36;

/// From this width on the curves stand beside the numbers.
const SIDE_BY_SIDE: u16 = 60;

/// Lines of curves at least, frame and axes included, where they stand above the numbers.
const LOWEST_CURVES: u16 = 7;

/// Warnings that are shown at a time, and lines of how the run stands.
const MOST: usize = 4;
const MOST_OF_STATUS: usize = 3;

/// Styles of the two things in a picture.
#[derive(Clone, Copy)]
pub(super) struct Colours {
    pub first: Style,
    pub second: Style,
}

impl Colours {
    /// Colours, unless NO_COLOR (<https://no-color.org>) asks for none.
    fn wanted() -> Self {
        let none = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        match none {
            true => Colours { first: Style::new(), second: Style::new() },
            false => Colours { first: Color::Cyan.into(), second: Color::Yellow.into() },
        }
    }
}

/// What is on a screen of a certain width, before it is known how many lines it has.
struct Parts {
    head: Vec<Line<'static>>,
    panel: u16,
    side_by_side: bool,
    /// Each in lines, the oldest first.
    warnings: Vec<Vec<String>>,
    /// Warnings of the log, shown or not.
    all_warnings: usize,
}

impl Parts {
    fn of(watched: &Watched, columns: u16) -> Self {
        let side_by_side = columns >= SIDE_BY_SIDE;
        let panel = match side_by_side {
            true if columns >= 2 * PANEL => PANEL,
            true => NARROW_PANEL,
            false => columns,
        };
        let all: Vec<&str> = watched.log().warnings().collect();
        let lines = |warning: &&str| {
            let first = warning.lines().next().unwrap_or_default();
            fit::wrapped(first, usize::from(columns.saturating_sub(2)))
        };
        let warnings = all[all.len().saturating_sub(MOST)..].iter().map(lines).collect();
        let head = heading(watched, usize::from(columns));
        Parts { head, panel, side_by_side, warnings, all_warnings: all.len() }
    }

    /// Lines of all warnings in their frame.
    fn below(&self) -> u16 {
        let lines: usize = self.warnings.iter().map(Vec::len).sum();
        if lines == 0 { 0 } else { 2 + lines as u16 }
    }

    /// The newest warnings that fit into so many lines, of the very newest at least its beginning.
    fn newest(&self, lines: usize) -> (usize, Vec<String>) {
        if lines == 0 {
            return (0, Vec::new());
        }
        let (mut shown, mut count) = (Vec::new(), 0);
        for warning in self.warnings.iter().rev() {
            let left = lines - shown.len();
            if warning.len() <= left {
                shown.splice(0..0, warning.iter().cloned());
            } else if count == 0 {
                let columns = warning.iter().map(|line| fit::width(line)).max().unwrap_or(1);
                shown = fit::wrapped_into(&warning.join(" "), columns, left);
            } else {
                break;
            }
            count += 1;
        }
        (count, shown)
    }
}

/// Draws how the run stands.
pub(super) fn draw(watched: &Watched, area: Rect, buffer: &mut Buffer) {
    let colours = Colours::wanted();
    let parts = Parts::of(watched, area.width);
    let lines = |few_lines| {
        let columns = usize::from(parts.panel.saturating_sub(2));
        bars::lines(watched, colours, Room { columns, few_lines })
    };
    let room = area.height.saturating_sub(parts.head.len() as u16);
    let fits = |lines: &[Line]| lines.len() as u16 + 2 + parts.below() <= room;
    let numbers = Some(lines(false)).filter(|lines| fits(lines)).unwrap_or_else(|| lines(true));
    // Numbers before warnings, which are all in the log; but the newest is seen.
    let wanted = numbers.len() as u16 + 2;
    let below = parts.below().min(room.saturating_sub(wanted).max(3));
    let (shown, warnings) = parts.newest(usize::from(below.saturating_sub(2)));
    let below = if warnings.is_empty() { 0 } else { 2 + warnings.len() as u16 };
    let [head, body, foot] = Layout::vertical([
        Constraint::Length(parts.head.len() as u16),
        Constraint::Fill(1),
        Constraint::Length(below),
    ])
    .areas(area);
    let [curves, panel] = match parts.side_by_side {
        true => Layout::horizontal([Constraint::Fill(1), Constraint::Length(parts.panel)]),
        false if body.height >= wanted + LOWEST_CURVES => {
            Layout::vertical([Constraint::Fill(1), Constraint::Length(wanted)])
        }
        false => Layout::vertical([Constraint::Length(0), Constraint::Fill(1)]),
    }
    .areas(body);
    charts::draw(watched, curves, buffer, colours);
    let title = if watched.is_over() { "" } else { " q to leave " };
    Paragraph::new(numbers).block(Block::bordered().title_bottom(title)).render(panel, buffer);
    if below > 0 {
        let title = match shown {
            shown if shown == parts.all_warnings => format!(" {} ", plural(shown, "warning")),
            1 => format!(" the last of {} warnings in run.log ", parts.all_warnings),
            _ => format!(" the last {shown} of {} warnings in run.log ", parts.all_warnings),
        };
        Paragraph::new(warnings.into_iter().map(Line::from).collect::<Vec<_>>())
            .block(Block::bordered().title(title))
            .render(foot, buffer);
    }
    Paragraph::new(parts.head).render(head, buffer);
    // Names and messages come from users: none may tell the terminal what to do.
    for cell in &mut buffer.content {
        if cell.symbol().chars().any(char::is_control) {
            cell.set_symbol("\u{fffd}");
        }
    }
}

/// What is trained where, in one line, and how it stands.
fn heading(watched: &Watched, columns: usize) -> Vec<Line<'static>> {
    let what = watched.experiment().map_or(String::new(), |experiment| {
        let (method, task) = (experiment.method.name(), experiment.task.name());
        format!("{method} on {task}, seed {}  ", experiment.seed)
    });
    let what = fit::beginning(&what, columns);
    let path = watched.path().display().to_string();
    let path = fit::end(&path, columns.saturating_sub(fit::width(&what)));
    let mut lines = vec![Line::from(vec![Span::from(what).bold(), Span::from(path).dim()])];
    let status = fit::wrapped_into(&watched.status(), columns, MOST_OF_STATUS);
    lines.extend(status.into_iter().map(Line::from));
    lines
}

/// The screen as text, without colours: for a terminal of this size, or with as many lines as it takes.
pub(super) fn plain(watched: &Watched, terminal: Option<Size>) -> String {
    let columns = terminal.map_or(PLAIN.0, |terminal| terminal.width.min(PLAIN.0));
    let parts = Parts::of(watched, columns);
    let inside = usize::from(parts.panel.saturating_sub(2));
    let room = Room { columns: inside, few_lines: false };
    let numbers = bars::lines(watched, Colours::wanted(), room).len() as u16;
    let needed = parts.head.len() as u16 + numbers + 2 + parts.below();
    let lines = match terminal {
        // Below it there will be a prompt.
        Some(terminal) => PLAIN.1.min(terminal.height.saturating_sub(1)),
        None => PLAIN.1.max(needed),
    };
    let area = Rect::new(0, 0, columns, lines);
    let mut buffer = Buffer::empty(area);
    draw(watched, area, &mut buffer);
    let mut text = String::new();
    for y in 0..area.height {
        let (mut line, mut covered) = (String::new(), 0);
        for x in 0..area.width {
            let symbol = buffer[(x, y)].symbol();
            // Letters that are two columns wide cover the next cell.
            if covered == 0 {
                line += symbol;
                covered = Span::raw(symbol).width();
            }
            covered = covered.saturating_sub(1);
        }
        text += line.trim_end();
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    use super::*;

    /// A run that has much to say: large numbers, a long path, warnings, all its limits.
    fn run(warnings: usize) -> (tempfile::TempDir, Watched) {
        let place = tempfile::tempdir().unwrap();
        let run = place.path().join("a-directory-with-a-name-of-a-certain-length/and-another/run");
        std::fs::create_dir_all(&run).unwrap();
        let write = |name: &str, text: &str| std::fs::write(run.join(name), text).unwrap();
        write(
            "experiment.toml",
            "[task]\nenv = \"MountainCarContinuous-v0\"\n[stop]\nevaluation_return = 99999.5\n\
             generations = 123456\nenv_steps = 12345678900\nwall_seconds = 864000.0\n",
        );
        let header = "generation,env_steps,wall_seconds,evaluate_seconds,update_seconds,\
            communicate_seconds,idle_fraction,return_mean,evaluation_mean\n";
        let row =
            |k: u64| format!("{k},{},{k}.5,0.5,0.25,0.125,0.99,-123456.5,-1234.25\n", k * 55_432);
        write(
            "progress.csv",
            &(99_990..100_001).map(row).fold(header.to_owned(), |all, row| all + &row),
        );
        let warning =
            |k: usize| format!("warning: row {k}: word{} END{k}\n", " and a word".repeat(12));
        let log: String = (1..=warnings).map(warning).collect();
        write("run.log", &format!("started: ranks 16, threads of each 64\n{log}"));
        let mut watched = Watched::new(&run, None);
        watched.refresh().unwrap();
        (place, watched)
    }

    fn screen(watched: &Watched, columns: u16, lines: u16) -> Vec<String> {
        let mut terminal = Terminal::new(TestBackend::new(columns, lines)).unwrap();
        terminal.draw(|frame| draw(watched, frame.area(), frame.buffer_mut())).unwrap();
        let buffer = terminal.backend().buffer();
        let line = |y| (0..columns).map(|x| buffer[(x, y)].symbol()).collect::<String>();
        (0..lines).map(|y| line(y).trim_end().to_owned()).collect()
    }

    /// What has to be on a screen, however small.
    const NUMBERS: [&str; 14] = [
        "100.0 k of 123.5 k",
        "5.54 G of 12.35 G",
        "27.8 h of 240 h",
        "left",
        "by ",
        "99999.50",
        "-1234.25 in row 100000",
        "steps/s",
        "generations/min",
        "evaluate",
        "communicate",
        "99.0 % of threads",
        "16 x 64",
        "q to leave",
    ];

    #[test]
    fn at_80_by_24_no_number_and_no_newest_warning_is_cut() {
        for (warnings, columns) in [(0, 80), (1, 80), (7, 80), (0, 60), (1, 60), (7, 60)] {
            let (_place, watched) = run(warnings);
            let lines = screen(&watched, columns, 24);
            let text = lines.join("\n");
            for part in NUMBERS {
                assert!(text.contains(part), "no `{part}` with {warnings} at {columns}:\n{text}");
            }
            assert!(lines[0].ends_with("/run"), "{text}");
            assert!(
                text.contains("┌ ── return in training") || text.contains("┌── return"),
                "{text}"
            );
            assert!(text.contains("• evaluation"), "{text}");
            match warnings {
                0 => assert!(!text.contains("warning"), "{text}"),
                1 => assert!(text.contains(" 1 warning ") && text.contains("END1"), "{text}"),
                _ => {
                    assert!(text.contains("of 7 warnings in run.log"), "{text}");
                    assert!(text.contains("END7") || text.contains('…'), "{text}");
                }
            }
        }
    }

    #[test]
    fn on_a_pipe_all_lines_are_there_and_on_a_terminal_as_many_as_it_has() {
        let (_place, watched) = run(4);
        let all = plain(&watched, None);
        for warning in 1..=4 {
            assert!(all.contains(&format!("END{warning}")), "{all}");
        }
        let lines = plain(&watched, Some(Size::new(80, 24)));
        assert_eq!(lines.lines().count(), 23);
        assert!(lines.lines().all(|line| fit::width(line) <= 80), "{lines}");
    }

    #[test]
    fn no_size_of_a_terminal_is_too_small() {
        let (_place, watched) = run(7);
        for columns in [1, 2, 5, 20, 40, 59, 60, 79, 91, 92, 200] {
            for lines in [1, 2, 3, 5, 10, 100] {
                screen(&watched, columns, lines);
                plain(&watched, Some(Size::new(columns, lines)));
            }
        }
    }
}
