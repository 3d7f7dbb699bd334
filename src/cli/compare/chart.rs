//! Learning curves in numbers, and how they are drawn.

use plotters::coord::Shift;
use plotters::prelude::*;

use super::curves::Curve;
use super::groups::Group;
use crate::record::Measure;

pub(super) const FONT: &str = "sans-serif";

/// Results beyond this are drawn at it.
const FARTHEST: f64 = 1e300;

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
    /// Whether the picture says which curve is which.
    pub legend: bool,
    /// From the left end to the right one, and from the lower to the upper.
    x: (f64, f64),
    y: (f64, f64),
}

impl Chart {
    /// None if there is no evaluation at all.
    pub fn of(groups: &[Group], labels: &[String]) -> Option<Self> {
        let has_errors = groups.iter().any(Group::has_errors);
        let factor = if has_errors { 100.0 } else { 1.0 };
        let task = |group: &Group| group.task() != groups[0].task();
        let of_several = groups.iter().any(task);
        let label = |(group, label): (&Group, &String)| {
            let task = if of_several { format!("{}: ", group.task()) } else { String::new() };
            let seeds = match group.runs.len() {
                1 => String::new(),
                runs => format!(" ({runs} seeds)"),
            };
            (format!("{task}{label}{seeds}"), Curve::of(group).scaled(factor))
        };
        let curves: Vec<(String, Curve)> = groups.iter().zip(labels).map(label).collect();
        let thresholds = || groups.iter().map(|group| group.way.as_ref().map(|way| way.threshold));
        let threshold = thresholds().next().flatten();
        let threshold = threshold.filter(|_| thresholds().all(|other| other == threshold));
        let threshold = threshold.map(|threshold| factor * threshold);

        let work_is_samples = groups[0].work() == Measure::Samples;
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
        Some(Chart {
            curves,
            x_title,
            y_title,
            threshold,
            legend: true,
            x: (0.0, if right > 0.0 { 1.02 * right } else { 1.0 }),
            y: (if positive { (low - room).max(0.0) } else { low - room }, high + room),
        })
    }

    /// Draws it, with everything `scale` times as large.
    pub fn draw<B: DrawingBackend>(
        &self,
        area: &DrawingArea<B, Shift>,
        scale: u32,
    ) -> Result<(), DrawingAreaErrorKind<B::ErrorType>> {
        let text = |size: u32| (FONT, (size * scale) as i32).into_font();
        let (dark, faint) = (RGBColor(50, 50, 50), RGBColor(225, 225, 225));
        area.fill(&WHITE)?;
        let mut context = ChartBuilder::on(area)
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
            context
                .draw_series(DashedLineSeries::new(line, 6 * scale, 5 * scale, style))?
                .label("threshold")
                .legend(move |(x, y)| {
                    PathElement::new([(x, y), (x + 22 * scale as i32, y)], style)
                });
        }
        // Bands first, so that no line is hidden.
        for ((_, curve), colour) in self.curves.iter().zip(COLOURS.iter().cycle()) {
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
        for ((label, curve), &colour) in self.curves.iter().zip(COLOURS.iter().cycle()) {
            let style = colour.stroke_width(2 * scale);
            let series = match curve.line.as_slice() {
                // One evaluation is no line.
                &[point] => {
                    context.draw_series([Circle::new(point, 4 * scale, colour.filled())])?
                }
                line => context.draw_series(LineSeries::new(line.iter().copied(), style))?,
            };
            series.label(label).legend(move |(x, y)| {
                PathElement::new([(x, y), (x + 22 * scale as i32, y)], style)
            });
        }
        if !self.legend {
            return area.present();
        }
        context
            .configure_series_labels()
            .position(self.emptiest_corner())
            .margin(12 * scale)
            .legend_area_size(28 * scale)
            .label_font(text(14).color(&dark))
            .background_style(WHITE.mix(0.85))
            .border_style(faint.stroke_width(scale))
            .draw()?;
        area.present()
    }

    /// Where the legend hides least of the curves.
    fn emptiest_corner(&self) -> SeriesLabelPosition {
        let longest = self.curves.iter().map(|(label, _)| label.chars().count()).max();
        // Shares of the picture, roughly: a letter's width, a line's height.
        let width = (0.07 + 0.01 * longest.unwrap_or(0) as f64).min(1.0);
        let lines = self.curves.len() + usize::from(self.threshold.is_some());
        let height = (0.05 + 0.035 * lines as f64).min(1.0);
        let share = |value: f64, (from, to): (f64, f64)| (value - from) / (to - from);
        let hidden = |right: bool, upper: bool| {
            let inside = |&&(x, y): &&(f64, f64)| {
                let (x, y) = (share(x, self.x), share(y, self.y));
                (if right { x > 1.0 - width } else { x < width })
                    && (if upper { y > 1.0 - height } else { y < height })
            };
            // Of all curves alike, whatever number of points they have.
            let of_curve = |(_, curve): &(String, Curve)| {
                curve.line.iter().filter(inside).count() as f64 / curve.line.len().max(1) as f64
            };
            self.curves.iter().map(of_curve).sum::<f64>()
        };
        [
            (SeriesLabelPosition::LowerRight, hidden(true, false)),
            (SeriesLabelPosition::UpperLeft, hidden(false, true)),
            (SeriesLabelPosition::UpperRight, hidden(true, true)),
            (SeriesLabelPosition::LowerLeft, hidden(false, false)),
        ]
        .into_iter()
        .reduce(|best, other| if other.1 < best.1 { other } else { best })
        .map_or(SeriesLabelPosition::LowerRight, |(corner, _)| corner)
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
        Chart::over(curves, x, y, Some(2000.0), false).unwrap()
    }

    #[test]
    fn the_legend_goes_where_the_curves_are_not() {
        let mut chart = chart("a label of some length");
        assert!(matches!(chart.emptiest_corner(), SeriesLabelPosition::LowerRight));
        // Errors fall: from the upper left to the lower right.
        chart.curves[0].1.line.iter_mut().for_each(|(_, y)| *y = 2450.0 - *y);
        assert!(matches!(chart.emptiest_corner(), SeriesLabelPosition::UpperRight));
    }

    #[test]
    fn ticks_are_short() {
        let ticks = [0.0, 0.30000000000000004, -200.0, 12_500.0, 2e6, -50_000.0].map(tick);
        assert_eq!(ticks, ["0", "0.3", "-200", "12.5 k", "2 M", "-50 k"]);
    }
}
