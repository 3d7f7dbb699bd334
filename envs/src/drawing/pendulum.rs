//! The pendulum, and an arrow that shows the torque.

use std::f64::consts::{FRAC_PI_2, PI};

use super::canvas::{BLACK, Canvas, Rgb, turned};
use super::draw;
use crate::{EnvError, Picture};

const ROD: Rgb = [204, 77, 77];
const CENTRE: [f64; 2] = [250.0, 250.0];

/// Pixels to a metre: 4.4 metres fill the sheet.
const SCALE: f64 = 500.0 / 4.4;

/// The greatest torque, whose arrow is as large as the pendulum is long.
const STRONGEST: f64 = 2.0;

/// A pendulum of one metre at `angle` (radians against the clock from upright) under a torque.
pub(crate) fn pendulum(env: &str, angle: f64, torque: f64) -> Result<Picture, EnvError> {
    draw(env, [500, 500], |canvas| {
        let (half, up) = (0.1 * SCALE, angle + FRAC_PI_2);
        canvas.polygon(&turned([0.0, -half], [SCALE, half], up, CENTRE), ROD);
        canvas.circle(CENTRE, half, ROD);
        canvas.circle(super::canvas::moved([SCALE, 0.0], up, CENTRE), half, ROD);
        arrow(canvas, torque / STRONGEST);
        canvas.circle(CENTRE, 0.05 * SCALE, BLACK);
    })
}

/// Three quarters of a circle with a head, against the clock for a positive strength.
fn arrow(canvas: &mut Canvas, strength: f64) {
    let radius = 0.4 * SCALE * strength.abs();
    if radius < 2.0 {
        return;
    }
    let side = strength.signum();
    let at = |turn: f64, radius: f64| {
        let angle = -0.25 * PI + side * turn;
        [CENTRE[0] + radius * libm::cos(angle), CENTRE[1] + radius * libm::sin(angle)]
    };
    let arc: Vec<_> = (0..=40).map(|i| at(1.5 * PI * f64::from(i) / 40.0, radius)).collect();
    canvas.line(&arc, (radius / 10.0).max(1.0), BLACK);
    let head = [at(1.5 * PI, 1.25 * radius), at(1.5 * PI, 0.75 * radius), at(1.68 * PI, radius)];
    canvas.polygon(&head, BLACK);
}
