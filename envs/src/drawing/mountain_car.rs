//! The hill, the flag and the car, of both mountain-car environments.

use super::canvas::{BLACK, Rgb, moved, turned};
use super::draw;
use crate::{EnvError, Picture};

const WHEEL: Rgb = [128, 128, 128];
const FLAG: Rgb = [204, 204, 0];

const LEFT: f64 = -1.2;
const RIGHT: f64 = 0.6;
const SCALE: f64 = 600.0 / (RIGHT - LEFT);

/// Between the hill and the bottom of the car.
const CLEARANCE: f64 = 10.0;

/// Points of the line that shows the hill.
const POINTS: usize = 100;

fn on_hill(position: f64) -> [f64; 2] {
    let height = libm::sin(3.0 * position) * 0.45 + 0.55;
    [(position - LEFT) * SCALE, height * SCALE]
}

/// A car at `position`, and the flag at `goal`.
pub(crate) fn mountain_car(env: &str, position: f64, goal: f64) -> Result<Picture, EnvError> {
    draw(env, [600, 400], |canvas| {
        let share = |point: usize| point as f64 / (POINTS - 1) as f64;
        let hill: Vec<_> =
            (0..POINTS).map(|point| on_hill(LEFT + (RIGHT - LEFT) * share(point))).collect();
        canvas.line(&hill, 1.0, BLACK);

        let [x, y] = on_hill(position);
        let (place, slope) = ([x, y + CLEARANCE], libm::cos(3.0 * position));
        canvas.polygon(&turned([-20.0, 0.0], [20.0, 20.0], slope, place), BLACK);
        for wheel in [-10.0, 10.0] {
            canvas.circle(moved([wheel, 0.0], slope, place), 8.0, WHEEL);
        }

        let [x, y] = on_hill(goal);
        canvas.line(&[[x, y], [x, y + 50.0]], 1.0, BLACK);
        canvas.polygon(&[[x, y + 50.0], [x, y + 40.0], [x + 25.0, y + 45.0]], FLAG);
    })
}
