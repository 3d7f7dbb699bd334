//! Learning curves as a picture.
//!
//! Letters of a .png come from a font inside the program (`font/`: DejaVu Sans, its Latin letters),
//! so that it looks the same on a machine without fonts. A .svg leaves them to whoever shows it.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::register_font;

use super::curves::Curve;
use super::groups::Group;
use crate::cli::Failure;
use crate::record::{Measure, write_atomically};

/// Width and height of a .svg; a .png has twice as many pixels each way.
const SIZE: (u32, u32) = (960, 600);

const FONT: &str = "sans-serif";

/// Colours that people who see few colours tell apart, too (Okabe and Ito 2008); its yellow is too
/// pale for a line.
const COLOURS: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(60, 60, 60),
];

/// What pictures are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Svg,
    Png,
}

/// A picture to be drawn.
#[derive(Debug)]
pub(super) struct Picture {
    path: PathBuf,
    kind: Kind,
}

/// Everything in a picture, in numbers.
struct Chart {
    curves: Vec<(String, Curve)>,
    x_title: &'static str,
    y_title: &'static str,
    /// From the left end to the right one, and from the lower to the upper.
    x: (f64, f64),
    y: (f64, f64),
    /// A threshold that all groups share.
    threshold: Option<f64>,
}

impl Picture {
    /// A picture for this file, whose ending says what it is written in.
    pub fn new(path: &Path) -> Result<Self, Failure> {
        let ending = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
        let kind = match ending.as_str() {
            "svg" => Kind::Svg,
            "png" => Kind::Png,
            _ => {
                return Err(Failure::usage(format!(
                    "--plot {}: expected a file that ends in .svg or .png",
                    path.display()
                )));
            }
        };
        Ok(Picture { path: path.to_owned(), kind })
    }

    /// Draws the curves of these groups, each under its label.
    pub fn draw(&self, groups: &[Group], labels: &[String]) -> Result<(), Failure> {
        let chart = Chart::of(groups, labels).ok_or_else(|| {
            Failure::failed(format!(
                "{}: nothing to draw: none of the runs has been evaluated yet",
                self.path.display()
            ))
        })?;
        register_letters();
        let failed = |error: &dyn std::fmt::Display| {
            Failure::failed(format!("{}: cannot draw: {error}", self.path.display()))
        };
        let bytes = match self.kind {
            Kind::Svg => {
                let mut text = String::new();
                let area = SVGBackend::with_string(&mut text, SIZE).into_drawing_area();
                chart.draw(&area, 1).map_err(|error| failed(&error))?;
                drop(area);
                text.into_bytes()
            }
            Kind::Png => {
                let size = (2 * SIZE.0, 2 * SIZE.1);
                let mut pixels = vec![255; 3 * size.0 as usize * size.1 as usize];
                let area = BitMapBackend::with_buffer(&mut pixels, size).into_drawing_area();
                chart.draw(&area, 2).map_err(|error| failed(&error))?;
                drop(area);
                png(&pixels, size).map_err(|error| failed(&error))?
            }
        };
        Ok(write_atomically(&self.path, &bytes)?)
    }
}

/// Makes the font known to what draws letters, once.
fn register_letters() {
    static ONCE: OnceLock<()> = OnceLock::new();
    ONCE.get_or_init(|| {
        let font = include_bytes!("font/DejaVuSans.ttf");
        for style in [FontStyle::Normal, FontStyle::Bold] {
            // A font that cannot be read would show up as an error of the first text.
            let _ = register_font(FONT, style, font);
        }
    });
}

fn png(pixels: &[u8], (width, height): (u32, u32)) -> Result<Vec<u8>, png::EncodingError> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(pixels)?;
    writer.finish()?;
    Ok(bytes)
}

impl Chart {
    /// None if there is no evaluation at all.
    fn of(groups: &[Group], labels: &[String]) -> Option<Self> {
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
            let mut curve = Curve::of(group);
            curve.line.iter_mut().for_each(|(_, y)| *y *= factor);
            curve.band.iter_mut().for_each(|(_, low, high)| {
                *low *= factor;
                *high *= factor;
            });
            (format!("{task}{label}{seeds}"), curve)
        };
        let curves: Vec<(String, Curve)> = groups.iter().zip(labels).map(label).collect();
        let thresholds = || groups.iter().map(|group| group.way.as_ref().map(|way| way.threshold));
        let threshold = thresholds().next().flatten();
        let threshold = threshold.filter(|_| thresholds().all(|other| other == threshold));
        let threshold = threshold.map(|threshold| factor * threshold);

        let line = |(_, curve): &(String, Curve)| curve.line.clone();
        let points: Vec<(f64, f64)> = curves.iter().flat_map(line).collect();
        let bands = curves.iter().flat_map(|(_, curve)| &curve.band);
        let heights = points.iter().map(|&(_, y)| y).chain(bands.flat_map(|&(_, a, b)| [a, b]));
        let heights = heights.chain(threshold).filter(|y| y.is_finite());
        let (low, high) = ends(heights)?;
        let (_, right) = ends(points.iter().map(|&(x, _)| x))?;
        // Of a flat curve, enough for ticks that can be told apart.
        let flat = high - low <= 1e-6 * high.abs().max(low.abs());
        let room = 0.05 * if flat { high.abs().max(1.0) } else { high - low };
        let work_is_samples = groups[0].work() == Measure::Samples;
        Some(Chart {
            curves,
            x_title: if work_is_samples { "samples" } else { "environment steps" },
            y_title: if has_errors { "error in %" } else { "mean return of evaluations" },
            x: (0.0, if right > 0.0 { 1.02 * right } else { 1.0 }),
            // An error is no less than nothing.
            y: (if has_errors { (low - room).max(0.0) } else { low - room }, high + room),
            threshold,
        })
    }

    /// Draws it, with everything `scale` times as large.
    fn draw<B: DrawingBackend>(
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
            .x_labels(9)
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
            if !outline.is_empty() {
                context.draw_series([Polygon::new(outline, colour.mix(0.18).filled())])?;
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
fn tick(value: f64) -> String {
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
mod tests {
    use super::*;

    fn chart(label: &str) -> Chart {
        let line: Vec<(f64, f64)> = (0..50).map(|k| (f64::from(k), f64::from(k * k))).collect();
        let band = line.iter().map(|&(x, y)| (x, y - 50.0, y + 50.0)).collect();
        Chart {
            curves: vec![(label.to_owned(), Curve { line, band })],
            x_title: "environment steps",
            y_title: "mean return of evaluations",
            x: (0.0, 50.0),
            y: (-50.0, 2500.0),
            threshold: Some(2000.0),
        }
    }

    #[test]
    fn endings_that_no_picture_has_are_refused_with_those_that_there_are() {
        for name in ["a.pdf", "a", ".svg", "a.jpeg"] {
            let failure = Picture::new(Path::new(name)).unwrap_err();
            assert_eq!(failure.code, crate::cli::USAGE);
            assert!(failure.message.contains(".svg or .png"), "{failure}");
        }
        assert_eq!(Picture::new(Path::new("A.SVG")).unwrap().kind, Kind::Svg);
    }

    #[test]
    fn letters_are_drawn_without_a_font_on_the_machine() {
        register_letters();
        let draw = |label: &str| {
            let mut pixels = vec![255; 3 * 960 * 600];
            let area = BitMapBackend::with_buffer(&mut pixels, SIZE).into_drawing_area();
            chart(label).draw(&area, 1).unwrap();
            drop(area);
            pixels
        };
        // The same width, other letters: what differs is in the letters.
        assert!(draw("ww") != draw("mm"));
        let ink = draw("ww").chunks(3).filter(|pixel| *pixel != [255; 3]).count();
        assert!(ink > 5000, "{ink} pixels are not white");
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
