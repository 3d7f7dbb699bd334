//! Pictures of the built-in environments, in the sizes, colours and proportions of Gymnasium's.
//!
//! For people to look at: nothing here reaches a training run.

mod acrobot;
mod canvas;
mod cart_pole;
mod mountain_car;
mod pendulum;

pub(crate) use acrobot::acrobot;
pub(crate) use cart_pole::cart_pole;
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
