//! Learning curves as a picture: a panel for each task, which has axes and a threshold of its own, and
//! below them which curve is which.
//!
//! Letters of a .png come from a font inside the program (`font/`: DejaVu Sans, its Latin letters),
//! so that it looks the same on a machine without fonts. A .svg leaves them to whoever shows it.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::register_font;

use super::chart::{COLOURS, Chart, FONT};
use super::groups::Group;
use super::legend::Legend;
use crate::cli::Failure;
use crate::record::write_atomically;

/// Width and height of a .svg with one panel; a .png has twice as many pixels each way.
const SIZE: (u32, u32) = (960, 600);

/// Width and height of each of several panels, and how many stand beside each other at most.
const PANEL: (u32, u32) = (600, 400);
const BESIDE: usize = 2;

/// Height of a panel at least, whatever stands below it.
const LOWEST: u32 = 400;

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
        Ok(write_atomically(&self.path, &self.bytes(groups, labels)?)?)
    }

    /// The file's bytes.
    pub fn bytes(&self, groups: &[Group], labels: &[String]) -> Result<Vec<u8>, Failure> {
        let sheet = Sheet::of(groups, labels).ok_or_else(|| {
            Failure::failed(format!(
                "{}: nothing to draw: none of the runs has been evaluated yet; give runs that have \
                 come to their first evaluation ([evaluation] in their experiment.toml)",
                self.path.display()
            ))
        })?;
        register_letters();
        let failed = |error: &dyn std::fmt::Display| {
            Failure::failed(format!("{}: cannot draw: {error}", self.path.display()))
        };
        let size = sheet.size();
        Ok(match self.kind {
            Kind::Svg => {
                let mut text = String::new();
                let area = SVGBackend::with_string(&mut text, size).into_drawing_area();
                sheet.draw(&area, 1).map_err(|error| failed(&error))?;
                drop(area);
                text.into_bytes()
            }
            Kind::Png => {
                let size = (2 * size.0, 2 * size.1);
                let mut pixels = vec![255; 3 * size.0 as usize * size.1 as usize];
                let area = BitMapBackend::with_buffer(&mut pixels, size).into_drawing_area();
                sheet.draw(&area, 2).map_err(|error| failed(&error))?;
                drop(area);
                png(&pixels, size).map_err(|error| failed(&error))?
            }
        })
    }
}

/// Panels and what stands below them.
struct Sheet {
    panels: Vec<Chart>,
    legend: Legend,
}

impl Sheet {
    /// None if there is nothing in any panel.
    fn of(groups: &[Group], labels: &[String]) -> Option<Self> {
        // What is called the same has the same colour in all panels.
        let mut names: Vec<&String> = Vec::new();
        let mut tasks: Vec<&str> = Vec::new();
        for (group, name) in groups.iter().zip(labels) {
            if !names.contains(&name) {
                names.push(name);
            }
            if !tasks.contains(&group.task()) {
                tasks.push(group.task());
            }
        }
        let colour = |name: &String| {
            let place = names.iter().position(|known| *known == name).unwrap_or(0);
            COLOURS[place % COLOURS.len()]
        };
        let entry = |name: &&String| {
            let of_name = groups.iter().zip(labels).filter(|(_, label)| label == name);
            let seeds = of_name.map(|(group, _)| group.runs.len());
            let seeds = match (seeds.clone().min(), seeds.max()) {
                (Some(1), Some(1)) | (None, _) | (_, None) => String::new(),
                (Some(least), Some(most)) if least == most => format!(" ({most} seeds)"),
                (Some(least), Some(most)) => format!(" ({least} to {most} seeds)"),
            };
            (format!("{name}{seeds}"), colour(name))
        };
        let entries = names.iter().map(entry).collect();
        let panel = |task: &&str| {
            let of_task = groups.iter().zip(labels).filter(|(group, _)| group.task() == *task);
            let of_task: Vec<_> = of_task.map(|(group, name)| (group, name.clone())).collect();
            let mut chart = Chart::of(&of_task)?;
            chart.colours = of_task.iter().map(|(_, name)| colour(name)).collect();
            chart.title = (tasks.len() > 1).then(|| task.to_string());
            Some(chart)
        };
        let panels: Vec<Chart> = tasks.iter().filter_map(panel).collect();
        let threshold = panels.iter().any(|panel| panel.threshold.is_some());
        let legend = Legend { entries, threshold };
        (!panels.is_empty()).then_some(Sheet { panels, legend })
    }

    fn beside(&self) -> usize {
        self.panels.len().min(BESIDE)
    }

    /// Width and height.
    fn size(&self) -> (u32, u32) {
        let rows = self.panels.len().div_ceil(BESIDE) as u32;
        match self.panels.len() {
            1 => (SIZE.0, SIZE.1.max(LOWEST + self.legend.height(SIZE.0))),
            _ => {
                let width = PANEL.0 * self.beside() as u32;
                (width, PANEL.1 * rows + self.legend.height(width))
            }
        }
    }

    fn draw<B: DrawingBackend>(
        &self,
        area: &DrawingArea<B, Shift>,
        scale: u32,
    ) -> Result<(), DrawingAreaErrorKind<B::ErrorType>> {
        area.fill(&WHITE)?;
        let (width, height) = self.size();
        let above = height - self.legend.height(width);
        let (panels, legend) = area.split_vertically(above * scale);
        let rows = self.panels.len().div_ceil(self.beside());
        for (panel, area) in self.panels.iter().zip(panels.split_evenly((rows, self.beside()))) {
            panel.draw(&area, scale)?;
        }
        self.legend.draw(&legend, width, scale)?;
        area.present()
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

#[cfg(test)]
mod tests {
    use super::super::chart::tests::chart;
    use super::*;

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
}
