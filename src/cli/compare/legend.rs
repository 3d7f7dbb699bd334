//! Which curve is which, in lines below the panels, where it covers none.

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::chart::FONT;

/// Height of a line, and of what is left free around them.
const LINE: u32 = 22;
const MARGIN: u32 = 12;

/// Length of a piece of a curve, and from its start to the letters.
const SWATCH: u32 = 24;
const INDENT: u32 = 32;

/// Roughly the width of a letter of this size.
const LETTER: u32 = 8;
const SIZE: u32 = 14;

/// Where the first one starts: below the axis.
const LEFT: u32 = 90;

pub(super) struct Legend {
    /// What curves are called, with their colours.
    pub entries: Vec<(String, RGBColor)>,
    /// Whether a threshold is drawn.
    pub threshold: bool,
}

impl Legend {
    fn count(&self) -> usize {
        self.entries.len() + usize::from(self.threshold)
    }

    /// The width of an entry, and how many stand in a line of a picture of this width.
    fn columns(&self, width: u32) -> (u32, usize) {
        let longest = self.entries.iter().map(|(label, _)| label.chars().count()).max();
        let widest = INDENT + LETTER * longest.unwrap_or(0).max(9) as u32 + 2 * MARGIN;
        (widest, ((width.saturating_sub(LEFT)) / widest).max(1) as usize)
    }

    /// Its height below a picture of this width.
    pub fn height(&self, width: u32) -> u32 {
        let (_, columns) = self.columns(width);
        MARGIN + LINE * self.count().div_ceil(columns) as u32
    }

    pub fn draw<B: DrawingBackend>(
        &self,
        area: &DrawingArea<B, Shift>,
        width: u32,
        scale: u32,
    ) -> Result<(), DrawingAreaErrorKind<B::ErrorType>> {
        let dark = RGBColor(50, 50, 50);
        let beside = Pos::new(HPos::Left, VPos::Center);
        let font = (FONT, (SIZE * scale) as i32).into_font().color(&dark).pos(beside);
        let (widest, columns) = self.columns(width);
        let place = |number: usize| {
            let (row, column) = (number / columns, number % columns);
            let x = (LEFT + widest * column as u32) * scale;
            let y = (LINE / 2 + LINE * row as u32) * scale;
            (x as i32, y as i32)
        };
        let dashes = |(x, y): (i32, i32)| {
            let piece = (6 * scale) as i32;
            [0, 9 * scale as i32, 18 * scale as i32].map(|from| {
                PathElement::new([(x + from, y), (x + from + piece, y)], dark.stroke_width(scale))
            })
        };
        let words = |label: &str, (x, y): (i32, i32)| {
            let place = (x + (INDENT * scale) as i32, y);
            area.draw(&Text::new(label.to_owned(), place, font.clone()))
        };
        for (number, (label, colour)) in self.entries.iter().enumerate() {
            let (x, y) = place(number);
            let line = [(x, y), (x + (SWATCH * scale) as i32, y)];
            area.draw(&PathElement::new(line, colour.stroke_width(2 * scale)))?;
            words(label, (x, y))?;
        }
        if self.threshold {
            let start = place(self.entries.len());
            for dash in dashes(start) {
                area.draw(&dash)?;
            }
            words("threshold", start)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_legend_grows_by_lines_and_not_beyond_the_width() {
        let of = |entries: usize, letters: usize| Legend {
            entries: vec![("w".repeat(letters), BLACK); entries],
            threshold: true,
        };
        assert_eq!(of(2, 10).height(960), MARGIN + LINE);
        assert_eq!(of(6, 10).columns(960).1, 6);
        assert_eq!(of(6, 10).height(960), MARGIN + 2 * LINE);
        assert_eq!(of(3, 200).height(960), MARGIN + 4 * LINE);
    }
}
