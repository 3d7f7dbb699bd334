//! Pictures of the built-in environments, in the sizes, colours and proportions of Gymnasium's.
//!
//! For people to look at: nothing here reaches a training run.

mod acrobot;
mod canvas;
mod cart_pole;
mod deceptive_maze;
mod mountain_car;
mod pendulum;

pub(crate) use acrobot::acrobot;
pub(crate) use cart_pole::cart_pole;
pub(crate) use deceptive_maze::deceptive_maze;
pub(crate) use mountain_car::mountain_car;
pub(crate) use pendulum::pendulum;

use self::canvas::Canvas;
use crate::{EnvError, Picture};

/// Draws on a sheet of this size.
fn draw(
    env: &str,
    [width, height]: [u32; 2],
    draw: impl FnOnce(&mut Canvas),
) -> Result<Picture, EnvError> {
    let canvas = Canvas::new(width, height).map(|mut canvas| {
        draw(&mut canvas);
        canvas.picture()
    });
    canvas.ok_or_else(|| EnvError::NoPicture {
        env: env.to_owned(),
        reason: format!("no picture is {width} x {height}"),
    })
}

#[cfg(test)]
mod tests {
    use std::f64::consts::FRAC_PI_2;

    use super::*;

    fn at(picture: &Picture, x: usize, y: usize) -> [u8; 3] {
        let pixel = 3 * ((picture.height - 1 - y) * picture.width + x);
        [picture.rgb[pixel], picture.rgb[pixel + 1], picture.rgb[pixel + 2]]
    }

    const WHITE: [u8; 3] = [255; 3];

    #[test]
    fn the_cart_is_where_it_is_and_its_pole_leans_to_the_right() {
        let picture = cart_pole("", 1.2, 0.3).unwrap();
        assert_eq!((picture.width, picture.height), (600, 400));
        // 1.2 m right of the middle, of 125 pixels each.
        assert_eq!(at(&picture, 432, 95), [0, 0, 0]);
        // 0.8 m along the pole.
        assert_eq!(at(&picture, 450 + 30, 107 + 95), [202, 152, 101]);
        assert_eq!(at(&picture, 450 - 30, 107 + 95), WHITE);
    }

    #[test]
    fn the_car_is_on_the_hill_and_the_flag_at_the_goal() {
        let picture = mountain_car("", -0.5, 0.5).unwrap();
        assert_eq!((picture.width, picture.height), (600, 400));
        // The valley: height 0.55 - 0.45 sin(1.5), 333 pixels to the unit.
        assert_eq!(at(&picture, 233, 34 + 22), [0, 0, 0]);
        assert_eq!(at(&picture, 233, 120), WHITE);
        assert_eq!(at(&picture, 575, 332 + 45), [204, 204, 0]);
    }

    #[test]
    fn the_pendulum_stands_upright_at_angle_zero_and_the_arrow_shows_the_torque() {
        let still = pendulum("", 0.0, 0.0).unwrap();
        assert_eq!((still.width, still.height), (500, 500));
        assert_eq!(at(&still, 250, 250 + 100), [204, 77, 77]);
        assert_eq!(at(&still, 250, 250 - 100), WHITE);
        let (left, right) = (pendulum("", 0.0, 1.5).unwrap(), pendulum("", 0.0, -1.5).unwrap());
        assert!(left != still && right != still && left != right);
    }

    #[test]
    fn the_robot_stands_between_the_walls_and_points_to_the_goal() {
        let walls = [[[1.9, 2.0], [2.1, 6.1]]];
        let picture = deceptive_maze("", &walls, ([5.0, 9.0], 0.5), [5.0, 4.0, FRAC_PI_2]).unwrap();
        assert_eq!((picture.width, picture.height), (400, 400));
        assert_eq!(at(&picture, 80, 160), [0, 0, 0]);
        assert_eq!(at(&picture, 200, 360), [120, 200, 120]);
        assert_eq!(at(&picture, 200, 160 + 12), [204, 77, 77]);
        assert_eq!(at(&picture, 200, 160 - 12), WHITE);
    }

    #[test]
    fn the_acrobot_hangs_at_angle_zero_and_turns_against_the_clock() {
        let picture = acrobot("", 0.0, 0.0).unwrap();
        assert_eq!((picture.width, picture.height), (500, 500));
        assert_eq!(at(&picture, 250, 250 - 60), [0, 204, 204]);
        assert_eq!(at(&picture, 250, 250 - 200), [0, 204, 204]);
        assert_eq!(at(&picture, 250, 250), [204, 204, 0]);
        let right = acrobot("", FRAC_PI_2, 0.0).unwrap();
        assert_eq!(at(&right, 250 + 60, 250), [0, 204, 204]);
    }
}
