//! The curves of a run over its generations.

use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Style;
use ratatui::symbols::Marker;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Axis, Block, Chart, Dataset, GraphType, Paragraph, Widget};

use super::fit;
use super::screen::Colours;
use super::state::Watched;
use crate::cli::compare::chart::{FARTHEST, tick};
use crate::record::Rows;

/// A picture: (column, what it is called, factor) of a line and of dots.
struct Picture {
    line: (&'static str, &'static str),
    dots: Option<(&'static str, &'static str)>,
    factor: f64,
}

const RETURNS: Picture = Picture {
    line: ("return_mean", "return in training"),
    dots: Some(("evaluation_mean", "evaluation")),
    factor: 1.0,
};
const LOSS: Picture = Picture { line: ("loss", "loss"), dots: None, factor: 1.0 };
const ERRORS: Picture = Picture {
    line: ("error_rate", "validation error, %"),
    dots: Some(("test_error", "test error, %")),
    factor: 100.0,
};

/// Draws what the run has of returns, errors and losses.
pub(super) fn draw(watched: &Watched, area: Rect, buffer: &mut Buffer, colours: Colours) {
    if area.is_empty() {
        return;
    }
    let rows = watched.rows();
    let has = |picture: &&Picture| {
        let columns = [Some(picture.line), picture.dots].into_iter().flatten();
        columns.clone().any(|(column, _)| !rows.points("generation", column).is_empty())
    };
    let pictures = [RETURNS, ERRORS, LOSS];
    let mut pictures: Vec<&Picture> = pictures.iter().filter(has).collect();
    // On a data set a search method's return is minus its loss.
    if watched.has_errors() {
        pictures.retain(|picture| picture.line.0 != "return_mean");
    }
    if pictures.is_empty() {
        let text = match watched.summary() {
            Some(_) => "no rows: its progress.csv is missing or empty",
            None => "no row yet",
        };
        let text = Paragraph::new(text).block(Block::bordered());
        text.render(area, buffer);
        return;
    }
    let areas = Layout::vertical(pictures.iter().map(|_| Constraint::Fill(1))).split(area);
    for (picture, &area) in pictures.into_iter().zip(areas.iter()) {
        of(picture, rows, area, buffer, colours);
    }
}

fn of(picture: &Picture, rows: &Rows, area: Rect, buffer: &mut Buffer, colours: Colours) {
    let most = 4 * usize::from(area.width.max(1));
    let points = |column: &str| -> Vec<(f64, f64)> {
        let points = thinned(rows.points("generation", column), most);
        points.into_iter().map(|(x, y)| (near(x), near(picture.factor * y))).collect()
    };
    let line = points(picture.line.0);
    let dots = picture.dots.map_or(Vec::new(), |(column, _)| points(column));
    let (low, high) = ends(line.iter().chain(&dots).map(|point| point.1));
    let last = near(rows.last("generation").unwrap_or(1.0));
    let first = near(rows.get(0, "generation").unwrap_or(0.0)).min(last - 1.0);

    let (mut titles, mut sets) = (Vec::new(), Vec::new());
    if !line.is_empty() {
        titles.push(Span::styled(format!(" ── {} ", picture.line.1), colours.first));
        let set = Dataset::default().data(&line).graph_type(GraphType::Line);
        sets.push(set.marker(Marker::Braille).style(colours.first));
    }
    if let Some((_, name)) = picture.dots.filter(|_| !dots.is_empty()) {
        titles.push(Span::styled(format!(" • {name} "), colours.second));
        let set = Dataset::default().data(&dots).graph_type(GraphType::Scatter);
        sets.push(set.marker(Marker::Dot).style(colours.second));
    }
    // What does not fit above stands below, and never without its last letters.
    let inside = usize::from(area.width.saturating_sub(2));
    for title in &mut titles {
        if title.width() > inside {
            let shorter = fit::beginning(title.content.trim(), inside);
            title.content = shorter.into();
        }
    }
    let all: usize = titles.iter().map(Span::width).sum();
    let mut block = Block::bordered();
    block = match titles.as_slice() {
        [above, below] if all > inside => {
            block.title(above.clone()).title_bottom(Line::from(below.clone()))
        }
        _ => block.title(Line::from(titles)),
    };
    let axis = |low: f64, high: f64, labels: Vec<String>| {
        Axis::default().bounds([low, high]).labels(labels).style(Style::new())
    };
    let heights = [low, (low + high) / 2.0, high].map(|y| tick(short(y))).to_vec();
    let generations = [first, last].map(|x| tick(x.round())).to_vec();
    Chart::new(sets)
        .block(block)
        .x_axis(axis(first, last, generations))
        .y_axis(axis(low, high, heights))
        .render(area, buffer);
}

/// What can be drawn: widths and heights must not overflow.
fn near(value: f64) -> f64 {
    value.clamp(-FARTHEST, FARTHEST)
}

/// The range of the values with some room, also where they are all the same.
fn ends(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (low, high) = values
        .filter(|value| value.is_finite())
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), y| (low.min(y), high.max(y)));
    match high - low {
        size if size > 1e-9 * high.abs().max(low.abs()) => (low - 0.03 * size, high + 0.03 * size),
        size if size >= 0.0 => {
            (low - 1.0f64.max(low.abs() * 0.1), high + 1.0f64.max(high.abs() * 0.1))
        }
        _ => (0.0, 1.0),
    }
}

/// Three digits.
fn short(value: f64) -> f64 {
    format!("{value:.2e}").parse().unwrap_or(value)
}

/// Every so many of the points, and the last.
fn thinned(points: Vec<(f64, f64)>, most: usize) -> Vec<(f64, f64)> {
    let step = points.len().div_ceil(most.max(1)).max(1);
    let last = points.last().copied().filter(|_| step > 1);
    points.into_iter().step_by(step).chain(last).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_have_a_range_whatever_the_values_are() {
        assert_eq!(ends([].into_iter()), (0.0, 1.0));
        assert_eq!(ends([5.0, 5.0].into_iter()), (4.0, 6.0));
        let (low, high) = ends([0.0, f64::NAN, 100.0].into_iter());
        assert!(low < 0.0 && high > 100.0 && high < 110.0);
    }

    #[test]
    fn thinned_points_keep_the_last() {
        let points: Vec<(f64, f64)> = (0..1000).map(|k| (f64::from(k), 0.0)).collect();
        let few = thinned(points, 100);
        assert!(few.len() <= 101 && few.last().unwrap().0 == 999.0);
    }
}
