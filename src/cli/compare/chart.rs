//! Learning curves in numbers, and how they are drawn.

use plotters::coord::Shift;
use plotters::prelude::*;

use super::curves::Curve;
use super::groups::Group;
use crate::record::Measure;

pub(super) const FONT: &str = "sans-serif";

/// Results beyond this are drawn at it.
pub(in crate::cli) const FARTHEST: f64 = 1e300;

/// Colours that people who see few colours tell apart, too (Okabe and Ito 2008); its yellow is too
/// pale for a line.
pub(in crate::cli) const COLOURS: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(60, 60, 60),
];

/// Everything in a picture, in numbers.
pub(in crate::cli) struct Chart {
    pub curves: Vec<(String, Curve)>,
    pub x_title: &'static str,
    pub y_title: &'static str,
    /// A threshold that all groups share.
    pub threshold: Option<f64>,
    /// What stands above it.
    pub title: Option<String>,
    /// The colour of each curve.
    pub colours: Vec<RGBColor>,
    /// From the left end to the right one, and from the lower to the upper.
    x: (f64, f64),
    y: (f64, f64),
}

impl Chart {
    /// The chart of groups of one task, under their labels; none if there is no evaluation at all.
    pub fn of(groups: &[(&Group, String)]) -> Option<Self> {
        let (first, _) = groups.first()?;
        let has_errors = first.has_errors();
        let factor = if has_errors { 100.0 } else { 1.0 };
        let curve =
            |(group, label): &(&Group, String)| (label.clone(), Curve::of(group).scaled(factor));
        let curves: Vec<(String, Curve)> = groups.iter().map(curve).collect();
        let thresholds =
            || groups.iter().map(|(group, _)| group.way.as_ref().map(|way| way.threshold));
        let threshold = thresholds().next().flatten();
        let threshold = threshold.filter(|_| thresholds().all(|other| other == threshold));
        let threshold = threshold.map(|threshold| factor * threshold);

        let work_is_samples = first.work() == Measure::Samples;
        let x_title = if work_is_samples { "samples" } else { "environment steps" };
        let y_title = if has_errors { "error in %" } else { "mean return of evaluations" };
        Chart::over(curves, x_title, y_title, threshold, has_errors)
    }

    /// A chart of these curves; none if they have no point. `positive`: no value is less than 0.
    pub fn over(
        curves: Vec<(String, Curve)>,
        x_title: &'static str,
        y_title: &'static str,
        threshold: Option<f64>,
        positive: bool,
    ) -> Option<Self> {
        let near = |(label, curve): (String, Curve)| (label, curve.within(FARTHEST));
        let curves: Vec<(String, Curve)> = curves.into_iter().map(near).collect();
        let threshold = threshold.map(|threshold| threshold.clamp(-FARTHEST, FARTHEST));
        let line = |(_, curve): &(String, Curve)| curve.line.clone();
        let points: Vec<(f64, f64)> = curves.iter().flat_map(line).collect();
        let bands = curves.iter().flat_map(|(_, curve)| &curve.band);
        let heights = points.iter().map(|&(_, y)| y).chain(bands.flat_map(|&(_, a, b)| [a, b]));
        // A threshold alone is nothing to see.
        ends(points.iter().map(|&(_, y)| y).filter(|y| y.is_finite()))?;
        let (low, high) = ends(heights.chain(threshold).filter(|y| y.is_finite()))?;
        let (_, right) = ends(points.iter().map(|&(x, _)| x))?;
        // Of a flat curve, enough for ticks that can be told apart.
        let flat = high - low <= 1e-6 * high.abs().max(low.abs());
        let room = 0.05 * if flat { high.abs().max(1.0) } else { high - low };
        let colours = COLOURS.iter().copied().cycle().take(curves.len()).collect();
        Some(Chart {
            curves,
            x_title,
            y_title,
            threshold,
            title: None,
            colours,
            x: (0.0, if right > 0.0 { 1.02 * right } else { 1.0 }),
            y: (if positive { (low - room).max(0.0) } else { low - room }, high + room),
        })
    }

    /// Draws it, with everything `scale` times as large. Which curve is which has to be said beside it,
    /// and the whole picture presented when all is drawn.
    pub fn draw<B: DrawingBackend>(
        &self,
        area: &DrawingArea<B, Shift>,
        scale: u32,
    ) -> Result<(), DrawingAreaErrorKind<B::ErrorType>> {
        let text = |size: u32| (FONT, (size * scale) as i32).into_font();
        let (dark, faint) = (RGBColor(50, 50, 50), RGBColor(225, 225, 225));
        area.fill(&WHITE)?;
        let mut builder = ChartBuilder::on(area);
        if let Some(title) = &self.title {
            builder.caption(title, text(17).color(&dark));
        }
        let mut context = builder
            .margin(14 * scale)
            .x_label_area_size(48 * scale)
            .y_label_area_size(76 * scale)
            .build_cartesian_2d(self.x.0..self.x.1, self.y.0..self.y.1)?;
        context
            .configure_mesh()
            .x_desc(self.x_title)
            .y_desc(self.y_title)
            .axis_desc_style(text(16).color(&dark))
            .label_style(text(14).color(&dark))
            .axis_style(dark.stroke_width(scale))
            .bold_line_style(faint.stroke_width(scale))
            .light_line_style(TRANSPARENT)
            .x_labels((area.dim_in_pixel().0 / (106 * scale)) as usize)
            .y_labels(9)
            .x_label_formatter(&|&x| tick(x))
            .y_label_formatter(&|&y| tick(y))
            .draw()?;
        if let Some(threshold) = self.threshold {
            let line = [(self.x.0, threshold), (self.x.1, threshold)];
            let style = dark.mix(0.7).stroke_width(scale);
            context.draw_series(DashedLineSeries::new(line, 6 * scale, 5 * scale, style))?;
        }
        // Bands first, so that no line is hidden.
        for ((_, curve), colour) in self.curves.iter().zip(&self.colours) {
            let below = curve.band.iter().map(|&(x, low, _)| (x, low));
            let above = curve.band.iter().rev().map(|&(x, _, high)| (x, high));
            let outline: Vec<(f64, f64)> = below.chain(above).collect();
            match outline.as_slice() {
                [] => {}
                // At one place a band is a bar.
                &[low, high] => {
                    let style = colour.mix(0.5).stroke_width(2 * scale);
                    context.draw_series([PathElement::new([low, high], style)])?;
                }
                _ => {
                    context.draw_series([Polygon::new(outline, colour.mix(0.18).filled())])?;
                }
            }
        }
        for ((_, curve), &colour) in self.curves.iter().zip(&self.colours) {
            let style = colour.stroke_width(2 * scale);
            match curve.line.as_slice() {
                // One evaluation is no line.
                &[point] => {
                    context.draw_series([Circle::new(point, 4 * scale, colour.filled())])?
                }
                line => context.draw_series(LineSeries::new(line.iter().copied(), style))?,
            };
        }
        Ok(())
    }
}

/// The smallest and the largest number.
fn ends(numbers: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    numbers.fold(None, |ends, x| {
        let (low, high) = ends.unwrap_or((x, x));
        Some((low.min(x), high.max(x)))
    })
}

/// A number at an axis, as short as it can be: `0.3`, `-200`, `12.5 k`, `2 M`.
pub(in crate::cli) fn tick(value: f64) -> String {
    let (unit, letter) = match value.abs() {
        size if size >= 1e9 => (1e9, " G"),
        size if size >= 1e6 => (1e6, " M"),
        size if size >= 1e4 => (1e3, " k"),
        _ => (1.0, ""),
    };
    // Ticks are round numbers, but for their last bits; adding 0 takes the sign from -0.
    let round = (value / unit * 1e6).round() / 1e6 + 0.0;
    format!("{round}{letter}")
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub fn chart(label: &str) -> Chart {
        let line: Vec<(f64, f64)> = (0..50).map(|k| (f64::from(k), f64::from(k * k))).collect();
        let band = line.iter().map(|&(x, y)| (x, y - 50.0, y + 50.0)).collect();
        let curves = vec![(label.to_owned(), Curve { line, band })];
        let (x, y) = ("environment steps", "mean return of evaluations");
        let chart = Chart::over(curves, x, y, Some(2000.0), false).unwrap();
        Chart { title: Some(label.to_owned()), ..chart }
    }

    #[test]
    fn ticks_are_short() {
        let ticks = [0.0, 0.30000000000000004, -200.0, 12_500.0, 2e6, -50_000.0].map(tick);
        assert_eq!(ticks, ["0", "0.3", "-200", "12.5 k", "2 M", "-50 k"]);
    }
}
