//! Learning curves as a picture.
//!
//! Letters of a .png come from a font inside the program (`font/`: DejaVu Sans, its Latin letters),
//! so that it looks the same on a machine without fonts. A .svg leaves them to whoever shows it.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use plotters::prelude::*;
use plotters::style::register_font;

use super::chart::{Chart, FONT};
use super::groups::Group;
use crate::cli::Failure;
use crate::record::write_atomically;

/// Width and height of a .svg; a .png has twice as many pixels each way.
const SIZE: (u32, u32) = (960, 600);

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
