//! The two links of the acrobot, and the height that the tip has to reach.

use std::f64::consts::FRAC_PI_2;

use super::canvas::{BLACK, Rgb, moved, turned};
use super::draw;
use crate::{EnvError, Picture};

const LINK: Rgb = [0, 204, 204];
const JOINT: Rgb = [204, 204, 0];
const CENTRE: f64 = 250.0;

/// Pixels to a metre: 4.4 metres fill the sheet.
const SCALE: f64 = 500.0 / 4.4;

/// Two links of one metre: the first at `first` (radians from hanging), the second turned against
/// it by `second`.
pub(crate) fn acrobot(env: &str, first: f64, second: f64) -> Result<Picture, EnvError> {
    draw(env, [500, 500], |canvas| {
        let goal = CENTRE + SCALE;
        canvas.line(&[[0.0, goal], [500.0, goal]], 1.0, BLACK);
        let hand = [CENTRE, CENTRE];
        let angles = [first - FRAC_PI_2, first + second - FRAC_PI_2];
        let elbow = moved([SCALE, 0.0], angles[0], hand);
        for (angle, joint) in angles.into_iter().zip([hand, elbow]) {
            let half = 0.1 * SCALE;
            canvas.polygon(&turned([0.0, -half], [SCALE, half], angle, joint), LINK);
            canvas.circle(joint, libm::floor(half), JOINT);
        }
    })
}
