//! Learning curves as pictures inside the page.

use plotters::prelude::*;

use super::Part;
use super::html::escape;
use crate::cli::Failure;
use crate::cli::compare::chart::{Chart, tick};
use crate::cli::compare::curves::Curve;
use crate::cli::compare::groups::rows;
use crate::record::{Measure, plural};

/// Width and height, small enough that letters can be read on a phone.
const SIZE: (u32, u32) = (560, 340);

/// Points of a curve.
const MOST: usize = 250;

/// What a figure shows of a group.
type Of = fn(&Part) -> Curve;

/// The pictures of each task.
pub(super) fn figures(parts: &[Part]) -> Result<String, Failure> {
    let tasks = super::tasks(parts);
    let mut text = String::new();
    for task in &tasks {
        let of_task: Vec<&Part> = parts.iter().filter(|part| part.group.task() == *task).collect();
        if tasks.len() > 1 {
            text += &format!("<h3>{}</h3>\n", escape(task));
        }
        text += &of_one_task(&of_task)?;
    }
    Ok(text)
}

fn of_one_task(parts: &[&Part]) -> Result<String, Failure> {
    let errors = parts[0].group.has_errors();
    let work = if errors { "samples" } else { "environment steps" };
    let judged = if errors { "error in %" } else { "mean return of evaluations" };
    let learnt = if errors { "loss on training samples" } else { "mean return in training" };
    let rows = rows(parts.iter().map(|part| &part.group));
    let thresholds = || parts.iter().map(|part| part.group.way.as_ref().map(|way| way.threshold));
    let threshold = thresholds().next().flatten();
    let threshold = threshold.filter(|_| thresholds().all(|other| other == threshold));
    let threshold = threshold.map(|value| percent(errors, value));
    let figures: [(&'static str, &'static str, Option<f64>, Of); 4] = [
        (work, judged, threshold, |part| evaluations(part, part.group.work())),
        ("seconds of training", judged, threshold, |part| evaluations(part, Measure::WallSeconds)),
        (work, learnt, None, |part| training(part, part.group.work().name())),
        (rows, learnt, None, |part| training(part, "generation")),
    ];
    let mut text = String::from("<div class=\"figures\">\n");
    let mut missing = Vec::new();
    for (x_title, y_title, threshold, of) in figures {
        let curves = parts.iter().map(|part| (name(part), of(part).thinned(MOST))).collect();
        match Chart::over(curves, x_title, y_title, threshold, errors) {
            Some(chart) => text += &figure(&chart)?,
            None => missing.push(format!("{y_title} over {x_title}")),
        }
    }
    text += "</div>\n";
    if !missing.is_empty() {
        text += &format!("<p>Nothing to draw: no run has {}.</p>\n", missing.join(", nor "));
    }
    if parts.iter().any(|part| part.group.runs.len() > 1) {
        text += "<p class=\"soft\">Of several seeds the median, and a band from quartile to quartile; \
                 a run that has ended counts with its last value.</p>\n";
    }
    Ok(text)
}

/// What a curve is called in a legend.
fn name(part: &Part) -> String {
    match part.group.runs.len() {
        1 => part.label.clone(),
        runs => format!("{} ({})", part.label, plural(runs, "seed")),
    }
}

fn percent(errors: bool, value: f64) -> f64 {
    if errors { 100.0 * value } else { value }
}

fn evaluations(part: &Part, measure: Measure) -> Curve {
    Curve::by(&part.group, measure).scaled(percent(part.group.has_errors(), 1.0))
}

/// What was learnt from, row by row.
fn training(part: &Part, x: &str) -> Curve {
    let y = if part.group.has_errors() { "loss" } else { "return_mean" };
    let lines = part.rows.iter().map(|rows| rows.points(x, y));
    Curve::over(lines.filter(|line| !line.is_empty()).collect())
}

/// The picture with its legend, and what it shows in words.
fn figure(chart: &Chart) -> Result<String, Failure> {
    let title = format!("{} over {}", chart.y_title, chart.x_title);
    let told = |(label, curve): &(String, Curve)| match (curve.line.first(), curve.line.last()) {
        (Some(first), Some(last)) => format!(
            "{label}: from {} to {} after {} {}",
            tick(round(first.1)),
            tick(round(last.1)),
            tick(round(last.0)),
            chart.x_title
        ),
        _ => format!("{label}: nothing to draw"),
    };
    let words = chart.curves.iter().map(told).collect::<Vec<_>>().join("; ");
    let mut svg = String::new();
    let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
    let failed = |error: &dyn std::fmt::Display| Failure::failed(format!("cannot draw: {error}"));
    chart.draw(&area, 1).map_err(|error| failed(&error))?;
    area.present().map_err(|error| failed(&error))?;
    drop(area);
    let label = escape(&format!("{title}. {words}"));
    let svg = svg.replacen("<svg ", &format!("<svg role=\"img\" aria-label=\"{label}\" "), 1);
    let mut text = format!("<figure>\n<figcaption>{}</figcaption>\n{svg}", escape(&title));
    text += "<ul class=\"legend\">\n";
    for ((label, _), colour) in chart.curves.iter().zip(&chart.colours) {
        text += &format!("<li>{}{}</li>\n", swatch(*colour, ""), escape(label));
    }
    if let Some(threshold) = chart.threshold {
        let dashed = swatch(RGBColor(50, 50, 50), " stroke-dasharray=\"6 5\"");
        text += &format!("<li>{dashed}threshold {}</li>\n", tick(threshold));
    }
    Ok(text + "</ul>\n</figure>\n")
}

/// Four digits are enough to be told.
fn round(value: f64) -> f64 {
    format!("{value:.3e}").parse().unwrap_or(value)
}

/// A piece of a line, for a legend.
fn swatch(RGBColor(r, g, b): RGBColor, more: &str) -> String {
    format!(
        "<svg width=\"26\" height=\"8\" aria-hidden=\"true\"><line x1=\"0\" y1=\"4\" x2=\"26\" \
         y2=\"4\" stroke=\"#{r:02X}{g:02X}{b:02X}\" stroke-width=\"3\"{more}/></svg>"
    )
}
