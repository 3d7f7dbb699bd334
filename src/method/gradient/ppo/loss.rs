//! The loss of one sample, and its derivatives by what the networks say.
//!
//! ```text
//! ratio = exp(log pi(a | s) - log pi_old(a | s))
//! loss  = - min(ratio A, clip(ratio, 1 - clip, 1 + clip) A)
//!         + value_coefficient (V - target)^2 - entropy_coefficient entropy
//! ```

use super::distribution::Distribution;

/// The numbers in the loss.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Weights {
    /// How far the ratio may go from 1.
    pub clip: f64,
    /// Weight of the squared error of the value.
    pub value: f64,
    /// Weight of the entropy.
    pub entropy: f64,
}

/// What a sample was when it was played.
#[derive(Clone, Copy, Debug)]
pub struct Played<'a> {
    /// The action (A).
    pub action: &'a [f32],
    /// The logarithm of its probability then.
    pub log_probability: f64,
    /// Its advantage, normalised.
    pub advantage: f64,
    /// What the value should be.
    pub target: f64,
}

/// What the networks say of a sample's observation.
#[derive(Clone, Copy, Debug)]
pub struct Said<'a> {
    /// The policy's outputs.
    pub outputs: &'a [f32],
    /// The logarithms of the deviations.
    pub log_std: &'a [f32],
    /// The value.
    pub value: f32,
}

/// The loss of a sample and its derivative by the value. Writes that by the outputs and adds that
/// by the logarithms of the deviations.
pub fn differentiate(
    distribution: &Distribution,
    weights: Weights,
    said: Said<'_>,
    played: Played<'_>,
    by_outputs: &mut [f32],
    by_log_std: &mut [f64],
) -> (f64, f32) {
    let Played { action, advantage, target, .. } = played;
    let (log_probability, entropy) = distribution.judge(said.outputs, said.log_std, action);
    let ratio = libm::exp(log_probability - played.log_probability);
    let clipped = ratio.clamp(1.0 - weights.clip, 1.0 + weights.clip);
    let surrogate = (ratio * advantage).min(clipped * advantage);
    // Where the clipped one is the smaller it is a constant.
    let moves = ratio * advantage <= clipped * advantage;
    let by_log_probability = if moves { -ratio * advantage } else { 0.0 };
    let off = f64::from(said.value) - target;
    distribution.differentiate(
        (said.outputs, said.log_std, action),
        (by_log_probability, -weights.entropy),
        by_outputs,
        by_log_std,
    );
    let loss = -surrogate + weights.value * off * off - weights.entropy * entropy;
    (loss, (2.0 * weights.value * off) as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WEIGHTS: Weights = Weights { clip: 0.2, value: 0.5, entropy: 0.03 };

    #[test]
    fn derivatives_are_the_finite_differences_of_the_loss() {
        let cases: [(Distribution, &[f32], &[f32]); 2] = [
            (Distribution::Categorical(vec![3, 2]), &[], &[2.0, 0.0]),
            (Distribution::Gaussian(5), &[0.1, -0.3, 0.0, 0.4, -1.0], &[0.5, 0.1, -0.3, 2.0, 0.2]),
        ];
        for (distribution, log_std, action) in cases {
            let outputs = [0.4, -0.2, 0.9, 0.3, -0.6];
            let (log, _) = distribution.judge(&outputs, log_std, action);
            // Inside the clip, beyond it where that counts, and beyond it where it does not.
            for (old, advantage) in [(log + 0.1, 1.5), (log - 1.0, -0.7), (log - 1.0, 0.7)] {
                let played = Played { action, log_probability: old, advantage, target: 0.4 };
                let of = |outputs: &[f32], log_std: &[f32], value: f32| {
                    let mut by = (vec![0.0; 5], vec![0.0; log_std.len()]);
                    let said = Said { outputs, log_std, value };
                    let all =
                        differentiate(&distribution, WEIGHTS, said, played, &mut by.0, &mut by.1);
                    (all, by)
                };
                let ((_, by_value), (by_outputs, by_log_std)) = of(&outputs, log_std, 1.25);
                let near = |difference: f64, ours: f64| {
                    assert!((difference - ours).abs() < 2e-3, "{ours} for {difference}");
                };
                let h = 1.0 / 1024.0;
                let moved = |k: usize, by: f32, of: &[f32]| {
                    let mut moved = of.to_vec();
                    moved[k] += by;
                    moved
                };
                let loss = |outputs: &[f32], log_std: &[f32], value: f32| {
                    let ((loss, _), _) = of(outputs, log_std, value);
                    loss
                };
                let slope = |up: f64, down: f64| (up - down) / (2.0 * f64::from(h));
                for (k, &ours) in by_outputs.iter().enumerate() {
                    let (up, down) = (moved(k, h, &outputs), moved(k, -h, &outputs));
                    let difference = slope(loss(&up, log_std, 1.25), loss(&down, log_std, 1.25));
                    near(difference, f64::from(ours));
                }
                for (k, &ours) in by_log_std.iter().enumerate() {
                    let (up, down) = (moved(k, h, log_std), moved(k, -h, log_std));
                    near(slope(loss(&outputs, &up, 1.25), loss(&outputs, &down, 1.25)), ours);
                }
                let (up, down) =
                    (loss(&outputs, log_std, 1.25 + h), loss(&outputs, log_std, 1.25 - h));
                near(slope(up, down), f64::from(by_value));
            }
        }
    }

    #[test]
    fn what_is_clipped_has_no_derivative() {
        let distribution = Distribution::Categorical(vec![2]);
        let of = |log_probability: f64, advantage: f64| {
            let mut by = [0.0; 2];
            let said = Said { outputs: &[0.0, 0.0], log_std: &[], value: 0.0 };
            let played = Played { action: &[0.0], log_probability, advantage, target: 0.0 };
            let weights = Weights { entropy: 0.0, ..WEIGHTS };
            let (loss, _) = differentiate(&distribution, weights, said, played, &mut by, &mut []);
            (loss, by[0])
        };
        let half = libm::log(0.5);
        // The ratio is 2: better than expected already, or still worse than expected.
        assert_eq!(of(half - libm::log(2.0), 1.0), (-1.2, 0.0));
        let (loss, by) = of(half - libm::log(2.0), -1.0);
        assert!((loss - 2.0).abs() < 1e-12 && (by - 1.0).abs() < 1e-6);
    }
}
