//! Everything on the screen, and the same as plain text.

use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Style, Stylize};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Paragraph, Widget, Wrap};

use super::state::Watched;
use super::{bars, charts};
use crate::record::plural;

/// Columns and lines of plain text.
const PLAIN: (u16, u16) = (100, 28);

/// Columns of the panel of numbers, its frame included.
const PANEL: u16 = 46;

/// Warnings that are shown at a time.
const MOST: usize = 4;

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

/// Draws how the run stands.
pub(super) fn draw(watched: &Watched, area: Rect, buffer: &mut Buffer) {
    let colours = Colours::wanted();
    let warnings: Vec<&str> = watched.log().warnings().collect();
    let below = if warnings.is_empty() { 0 } else { 2 + warnings.len().min(MOST) as u16 };
    let [head, body, foot] =
        Layout::vertical([Constraint::Length(2), Constraint::Fill(1), Constraint::Length(below)])
            .areas(area);
    Paragraph::new(heading(watched)).render(head, buffer);
    let side_by_side = area.width >= 2 * PANEL;
    let [curves, panel] = match side_by_side {
        true => Layout::horizontal([Constraint::Fill(1), Constraint::Length(PANEL)]).areas(body),
        false => Layout::vertical([Constraint::Fill(2), Constraint::Fill(3)]).areas(body),
    };
    charts::draw(watched, curves, buffer, colours);
    let title = if watched.is_over() { "" } else { " q to leave " };
    Paragraph::new(bars::lines(watched, colours))
        .block(Block::bordered().title_bottom(title))
        .render(panel, buffer);
    if !warnings.is_empty() {
        let first = |warning: &&str| Line::from(warning.lines().next().unwrap_or("").to_owned());
        let last = &warnings[warnings.len().saturating_sub(MOST)..];
        Paragraph::new(last.iter().map(first).collect::<Vec<_>>())
            .wrap(Wrap { trim: true })
            .block(Block::bordered().title(format!(" {} ", plural(warnings.len(), "warning"))))
            .render(foot, buffer);
    }
    // Names and messages come from users: none may tell the terminal what to do.
    for cell in &mut buffer.content {
        if cell.symbol().chars().any(char::is_control) {
            cell.set_symbol("\u{fffd}");
        }
    }
}

fn heading(watched: &Watched) -> Vec<Line<'static>> {
    let what = watched.experiment().map_or(String::new(), |experiment| {
        let (method, task) = (experiment.method.name(), experiment.task.name());
        format!("{method} on {task}, seed {}  ", experiment.seed)
    });
    let path = watched.path().display().to_string();
    vec![
        Line::from(vec![Span::from(what).bold(), Span::from(path).dim()]),
        Line::from(watched.status()),
    ]
}

/// The screen as text, without colours.
pub(super) fn plain(watched: &Watched) -> String {
    let area = Rect::new(0, 0, PLAIN.0, PLAIN.1);
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
