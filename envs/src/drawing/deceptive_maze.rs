//! The maze from above, its goal, and the robot with its heading.

use super::canvas::{BLACK, Point, Rgb, moved};
use super::draw;
use crate::deceptive_maze::Wall;
use crate::{EnvError, Picture};

const GOAL: Rgb = [120, 200, 120];
const ROBOT: Rgb = [204, 77, 77];

/// Pixels to a metre: the room has ten by ten.
const SCALE: f64 = 40.0;

/// A robot at (x, y) with a heading in radians against the clock, among walls, and a goal with its
/// radius.
pub(crate) fn deceptive_maze(
    env: &str,
    walls: &[Wall],
    (goal, radius): (Point, f64),
    [x, y, heading]: [f64; 3],
) -> Result<Picture, EnvError> {
    let pixels = |place: Point| place.map(|metres| metres * SCALE);
    draw(env, [400, 400], |canvas| {
        canvas.circle(pixels(goal), radius * SCALE, GOAL);
        for &[[left, bottom], [right, top]] in walls {
            let corners = [[left, bottom], [left, top], [right, top], [right, bottom]];
            canvas.polygon(&corners.map(pixels), BLACK);
        }
        let robot = pixels([x, y]);
        canvas.circle(robot, 7.0, ROBOT);
        canvas.line(&[robot, moved([14.0, 0.0], heading, robot)], 3.0, ROBOT);
    })
}
