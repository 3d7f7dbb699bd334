//! The cart, its pole and the rail.

use super::canvas::{BLACK, Rgb, turned};
use super::draw;
use crate::{EnvError, Picture};

const POLE: Rgb = [202, 152, 101];
const AXLE: Rgb = [129, 132, 203];

/// Pixels to a metre: 4.8 metres fill the width.
const SCALE: f64 = 600.0 / 4.8;

/// The rail's height on the sheet.
const RAIL: f64 = 100.0;

/// A cart at `position` (metres) whose pole of one metre leans by `angle` (radians) to the right.
pub(crate) fn cart_pole(env: &str, position: f64, angle: f64) -> Result<Picture, EnvError> {
    draw(env, [600, 400], |canvas| {
        let x = 300.0 + position * SCALE;
        let axle = [x, RAIL + 7.5];
        canvas.line(&[[0.0, RAIL], [600.0, RAIL]], 1.0, BLACK);
        canvas.polygon(&turned([-25.0, -15.0], [25.0, 15.0], 0.0, [x, RAIL]), BLACK);
        canvas.polygon(&turned([-5.0, -5.0], [5.0, SCALE - 5.0], -angle, axle), POLE);
        canvas.circle(axle, 5.0, AXLE);
    })
}
