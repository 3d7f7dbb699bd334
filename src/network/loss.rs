//! The loss that is reported: of the outputs as they are, whatever the format makes of them.

use super::largest;

/// Minus the logarithm of the label's probability, of the outputs as they are.
pub(crate) fn cross_entropy(logits: &[f32], label: usize) -> f64 {
    let most = f64::from(logits[largest(logits)]);
    let sum = logits.iter().fold(0.0, |sum, &z| sum + libm::exp(f64::from(z) - most));
    libm::log(sum) + most - f64::from(logits[label])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loss_is_that_of_the_label_and_large_logits_do_not_overflow() {
        assert!((cross_entropy(&[0.0, 0.0], 0) - std::f64::consts::LN_2).abs() < 1e-12);
        assert!((cross_entropy(&[1000.0, 0.0], 1) - 1000.0).abs() < 1e-9);
        assert!(cross_entropy(&[1000.0, 0.0], 0).abs() < 1e-9);
        assert_eq!(largest(&[1.0, 3.0, 3.0]), 1);
    }
}
