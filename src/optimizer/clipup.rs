//! ClipUp (Toklu, Liskowski and Srivastava 2020, <https://arxiv.org/abs/2008.02387>): the direction
//! of the gradient, never its length, with momentum and a limit on the speed.
//!
//! ```text
//! v <- momentum * v + learning_rate * g / |g|
//! v <- v * max_speed / |v|    if |v| > max_speed
//! theta <- theta - v
//! ```
//!
//! Lengths are those of whole vectors, so the rule needs [`Sums`] over all parameters.
//!
//! Differences from the paper's algorithm:
//! 1. The length of the new velocity comes from inner products of the old one and the gradient, in
//!    f64, so that both lengths are known after one pass over the parameters.
//! 2. A gradient of zeros adds nothing to the velocity, where the paper divides by zero.
//! 3. A schedule and a warm-up scale the limit with the step size.

use super::{Optimizer, StepInfo, Sums};

/// Steps of limited speed along the direction of the gradient.
#[derive(Clone, Copy, Debug)]
pub struct ClipUp {
    /// Share of the old velocity that is kept, `0 <= momentum < 1`.
    pub momentum: f64,
    /// Largest length of a step, in learning rates; the paper recommends 2.
    pub max_speed: f64,
}

impl Optimizer for ClipUp {
    fn name(&self) -> &'static str {
        "clipup"
    }

    fn slots(&self) -> &'static [&'static str] {
        &["velocity"]
    }

    fn is_global(&self) -> bool {
        true
    }

    /// Squared lengths of gradient and velocity, and their inner product.
    fn sums(&self, gradient: &[f32], slots: &[&mut [f32]]) -> Sums {
        let [velocity] = slots else { panic!("clipup takes one slot, not {}", slots.len()) };
        let mut sums = Sums::default();
        for (&g, &v) in gradient.iter().zip(velocity.iter()) {
            let (g, v) = (f64::from(g), f64::from(v));
            sums[0] += g * g;
            sums[1] += v * v;
            sums[2] += g * v;
        }
        sums
    }

    fn step(&self, info: StepInfo, gradient: &[f32], slots: &mut [&mut [f32]], theta: &mut [f32]) {
        let [velocity] = slots else { panic!("clipup takes one slot, not {}", slots.len()) };
        let [gradient_square, velocity_square, product] = info.sums;
        let keep = self.momentum;
        let known = gradient_square > 0.0;
        let take = if known { info.learning_rate / gradient_square.sqrt() } else { 0.0 };
        let square = keep * keep * velocity_square
            + 2.0 * keep * take * product
            + take * take * gradient_square;
        let (speed, limit) = (square.max(0.0).sqrt(), self.max_speed * info.learning_rate);
        let clip = if speed > limit { limit / speed } else { 1.0 };
        let (keep, take) = (keep * clip, take * clip);
        for ((t, &g), v) in theta.iter_mut().zip(gradient).zip(velocity.iter_mut()) {
            *v = (keep * f64::from(*v) + take * f64::from(g)) as f32;
            *t -= *v;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Steps of `clipup` from zero along these gradients.
    fn path(clipup: ClipUp, learning_rate: f64, gradients: &[[f32; 3]]) -> Vec<[f32; 3]> {
        let (mut velocity, mut theta) = ([0.0; 3], [0.0; 3]);
        let steps = gradients.iter().enumerate().map(|(index, gradient)| {
            let mut slots = [&mut velocity[..]];
            let sums = clipup.sums(gradient, &slots);
            let info = StepInfo { number: index as u64 + 1, learning_rate, sums };
            clipup.step(info, gradient, &mut slots, &mut theta);
            theta
        });
        steps.collect()
    }

    #[test]
    fn steps_are_those_of_evosax() {
        // evosax 0.3.2: clipup(learning_rate=0.15, max_velocity=0.3, momentum=0.9) from zero along
        // these gradients. The third step is the first one that is clipped.
        let gradients = [[3.0, -4.0, 0.5], [2.0, 0.5, -1.0], [2.0, -1.0, 0.0], [0.1, -0.2, 0.4]];
        let theirs = [
            [-0.089_553_35, 0.119_404_46, -0.014_925_558],
            [-0.301_082_1, 0.194_135_8, 0.037_106_81],
            [-0.575_841_5, 0.307_869_86, 0.076_752_91],
            [-0.822_864_36, 0.455_921_52, -0.007_273_435_6],
        ];
        let clipup = ClipUp { momentum: 0.9, max_speed: 2.0 };
        for (ours, theirs) in path(clipup, 0.15, &gradients).iter().zip(theirs) {
            for (ours, theirs) in ours.iter().zip(theirs) {
                assert!((ours - theirs).abs() < 1e-6, "{ours} should be {theirs}");
            }
        }
    }

    #[test]
    fn steps_have_a_length_of_the_learning_rate_at_first_and_of_the_limit_in_the_end() {
        let clipup = ClipUp { momentum: 0.9, max_speed: 2.0 };
        let path = path(clipup, 0.1, &[[1e-20, 0.0, 0.0]; 20]);
        assert!((path[0][0] + 0.1).abs() < 1e-6);
        assert!((path[19][0] - path[18][0] + 0.2).abs() < 1e-6);
    }

    #[test]
    fn without_a_gradient_the_velocity_fades() {
        let clipup = ClipUp { momentum: 0.5, max_speed: 2.0 };
        let path = path(clipup, 1.0, &[[0.0, 2.0, 0.0], [0.0; 3], [0.0; 3]]);
        assert_eq!(path, [[0.0, -1.0, 0.0], [0.0, -1.5, 0.0], [0.0, -1.75, 0.0]]);
    }
}
