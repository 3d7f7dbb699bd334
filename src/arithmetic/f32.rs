//! Single precision: IEEE 754 binary32, the type `f32`.

use super::{Activation, Arithmetic, affine};

/// Single precision: values are `f32`, and conversion copies them.
///
/// Class A: the same bits on any x86-64 or ARM machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct F32;

impl Arithmetic for F32 {
    type Value = f32;

    fn name(&self) -> String {
        "f32".to_owned()
    }

    fn encode(&self, from: &[f32], to: &mut [f32]) {
        to.copy_from_slice(from);
    }

    fn decode(&self, from: &[f32], to: &mut [f32]) {
        to.copy_from_slice(from);
    }

    fn affine(&self, weights: &[f32], bias: Option<&[f32]>, x: &[f32], y: &mut [f32]) {
        affine::layer(weights, bias, None, x, y);
    }

    /// A value that is not a number stays one under both activations, so that a policy that
    /// diverged shows.
    fn activate(&self, activation: Activation, y: &mut [f32]) {
        affine::activate(activation, y);
    }

    fn layer(
        &self,
        weights: &[f32],
        bias: Option<&[f32]>,
        activation: Option<Activation>,
        x: &[f32],
        y: &mut [f32],
    ) {
        affine::layer(weights, bias, activation, x, y);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn affine_of_a_layer_by_hand() {
        // weights of input 0: 1, 2; of input 1: 10, 20
        let mut y = [0.0; 2];
        F32.affine(&[1.0, 2.0, 10.0, 20.0], Some(&[0.5, 0.25]), &[3.0, 4.0], &mut y);
        assert_eq!(y, [43.5, 86.25]);
    }

    #[test]
    fn values_that_are_not_numbers_reach_the_outputs_they_belong_to() {
        let mut weights = vec![1.0; 5 * 70];
        weights[2 * 70 + 33] = f32::NAN;
        let mut y = vec![0.0; 70];
        F32.affine(&weights, None, &[1.0; 5], &mut y);
        assert!(y.iter().enumerate().all(|(o, y)| y.is_nan() == (o == 33)));
        for activation in [Activation::Tanh, Activation::Relu] {
            F32.activate(activation, &mut y);
            assert!(y[33].is_nan());
        }
    }

    #[test]
    fn relu_keeps_what_is_positive() {
        let mut y = [-1.0, -0.0, 0.0, 2.5, f32::NEG_INFINITY, f32::INFINITY];
        F32.activate(Activation::Relu, &mut y);
        assert_eq!(
            y.map(f32::to_bits),
            [0.0, -0.0, 0.0, 2.5, 0.0, f32::INFINITY].map(f32::to_bits)
        );
    }

    #[test]
    #[should_panic(expected = "inputs times outputs")]
    fn a_wrong_number_of_weights_is_refused() {
        F32.affine(&[0.0; 5], None, &[0.0; 2], &mut [0.0; 3]);
    }
}
