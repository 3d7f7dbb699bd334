//! A white sheet with the y axis up, for filled shapes with smooth edges.

use tiny_skia::{Color, FillRule, LineCap, Paint, Path, PathBuilder, Pixmap, Stroke, Transform};

use crate::Picture;

/// A place on the sheet: pixels from the left and from below.
pub(super) type Point = [f64; 2];

/// Red, green and blue.
pub(super) type Rgb = [u8; 3];

pub(super) const BLACK: Rgb = [0, 0, 0];

/// A sheet to draw on.
pub(super) struct Canvas {
    pixels: Pixmap,
}

impl Canvas {
    /// A white sheet; no sheet of no size.
    pub fn new(width: u32, height: u32) -> Option<Self> {
        let mut pixels = Pixmap::new(width, height)?;
        pixels.fill(Color::WHITE);
        Some(Canvas { pixels })
    }

    /// Fills a polygon.
    pub fn polygon(&mut self, corners: &[Point], color: Rgb) {
        if let Some(path) = self.path(corners, true) {
            let paint = paint(color);
            self.pixels.fill_path(&path, &paint, FillRule::Winding, Transform::identity(), None);
        }
    }

    /// Fills a circle.
    pub fn circle(&mut self, centre: Point, radius: f64, color: Rgb) {
        let [x, y] = self.pixel(centre);
        if let Some(path) = PathBuilder::from_circle(x, y, radius as f32) {
            let paint = paint(color);
            self.pixels.fill_path(&path, &paint, FillRule::Winding, Transform::identity(), None);
        }
    }

    /// Draws a line through points.
    pub fn line(&mut self, points: &[Point], width: f64, color: Rgb) {
        if let Some(path) = self.path(points, false) {
            let cap = LineCap::Butt;
            let stroke = Stroke { width: width as f32, line_cap: cap, ..Stroke::default() };
            let paint = paint(color);
            self.pixels.stroke_path(&path, &paint, &stroke, Transform::identity(), None);
        }
    }

    /// What was drawn.
    pub fn picture(&self) -> Picture {
        // Everything is opaque, so the colours are not diminished.
        let rgb = self.pixels.pixels().iter().flat_map(|p| [p.red(), p.green(), p.blue()]);
        Picture {
            width: self.pixels.width() as usize,
            height: self.pixels.height() as usize,
            rgb: rgb.collect(),
        }
    }

    fn pixel(&self, [x, y]: Point) -> [f32; 2] {
        [x as f32, self.pixels.height() as f32 - y as f32]
    }

    fn path(&self, points: &[Point], closed: bool) -> Option<Path> {
        let mut path = PathBuilder::new();
        for (index, point) in points.iter().enumerate() {
            let [x, y] = self.pixel(*point);
            if index == 0 { path.move_to(x, y) } else { path.line_to(x, y) }
        }
        if closed {
            path.close();
        }
        path.finish()
    }
}

fn paint(color: Rgb) -> Paint<'static> {
    let mut paint = Paint::default();
    paint.set_color_rgba8(color[0], color[1], color[2], 255);
    paint.anti_alias = true;
    paint
}

/// The corners of a rectangle from (`left`, `bottom`) to (`right`, `top`), turned about zero by an
/// angle against the clock and then moved to a place.
pub(super) fn turned(
    [left, bottom]: Point,
    [right, top]: Point,
    angle: f64,
    place: Point,
) -> [Point; 4] {
    let corners = [[left, bottom], [left, top], [right, top], [right, bottom]];
    corners.map(|corner| moved(corner, angle, place))
}

/// A point turned about zero by an angle against the clock and then moved to a place.
pub(super) fn moved([x, y]: Point, angle: f64, place: Point) -> Point {
    let (sin, cos) = (libm::sin(angle), libm::cos(angle));
    [place[0] + x * cos - y * sin, place[1] + x * sin + y * cos]
}
