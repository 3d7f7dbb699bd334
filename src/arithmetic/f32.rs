//! Single precision: IEEE 754 binary32, the type `f32`.

use super::{
    Activation, Affine, Arithmetic, Format, NotFinite, Product, Terms, affine, affine_rows,
};

/// Single precision: values are `f32`, and conversion copies them.
///
/// Class A: the same bits on any x86-64 or ARM machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct F32;

impl Product for F32 {
    type Value = f32;
    type Sum = f32;

    const ZERO: f32 = 0.0;

    fn format(&self) -> Format {
        Format::F32
    }

    fn encode(&self, from: &[f32], to: &mut [f32]) -> Result<f32, NotFinite> {
        to.copy_from_slice(from);
        Ok(1.0)
    }

    fn product(&self, weights: &[f32], x: &[f32], sums: &mut [f32]) {
        affine::layer(weights, None, None, x, sums);
    }

    fn decode_sums(&self, sums: &[f32], _scale: f32, to: &mut [f32]) {
        to.copy_from_slice(sums);
    }
}

impl Arithmetic for F32 {
    fn decode(&self, from: &[f32], to: &mut [f32]) {
        to.copy_from_slice(from);
    }

    fn plus(&self, a: f32, b: f32) -> f32 {
        a + b
    }

    fn negative(&self, a: f32) -> f32 {
        -a
    }

    fn times(&self, a: f32, b: f32) -> f32 {
        a * b
    }

    fn over(&self, a: f32, b: f32) -> f32 {
        a / b
    }

    fn exp(&self, a: f32) -> f32 {
        libm::expf(a)
    }

    fn is_less(&self, a: f32, b: f32) -> bool {
        a < b
    }

    fn constant(&self, value: f32) -> f32 {
        value
    }

    fn round_stochastically(&self, value: f64, random: u32) -> f32 {
        let magnitude = value.abs();
        let nearest = magnitude as f32;
        let low = if f64::from(nearest) > magnitude { nearest.next_down() } else { nearest };
        let (below, above) = (f64::from(low), f64::from(low.next_up()));
        let up = f64::from(random) / 4_294_967_296.0 * (above - below) < magnitude - below;
        let rounded = if up && above.is_finite() { low.next_up() } else { low };
        rounded.copysign(value as f32)
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

    fn finish(
        &self,
        bias: Option<&[f32]>,
        activation: Option<Activation>,
        sums: &mut [f32],
    ) -> Result<(), NotFinite> {
        if let Some(bias) = bias {
            assert_eq!(bias.len(), sums.len(), "a bias for each sum");
            for (sum, bias) in sums.iter_mut().zip(bias) {
                *sum += bias;
            }
        }
        if let Some(activation) = activation {
            self.activate(activation, sums);
        }
        Ok(())
    }

    fn layers(
        &self,
        layer: &Affine<'_, f32>,
        terms: Option<&Terms<'_, f32>>,
        rows: usize,
        x: &[f32],
        y: &mut [f32],
        room: &mut Vec<f32>,
    ) {
        affine_rows::layers(layer, terms, rows, x, y, room);
    }

    fn add_scaled(&self, factor: f32, x: &[f32], y: &mut [f32]) {
        assert_eq!(x.len(), y.len(), "slices of one length");
        affine_rows::add_scaled(factor, x, y);
    }

    fn neighbour(&self, a: f32, above: bool) -> f32 {
        let next = if above { a.next_up() } else { a.next_down() };
        if next.is_finite() { next } else { a }
    }

    /// A value that is not a number stays one under both activations, so that a policy that
    /// diverged shows.
    fn activate(&self, activation: Activation, y: &mut [f32]) {
        affine::activate(activation, y);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn affine_of_a_layer_by_hand() {
        // weights of input 0: 1, 2; of input 1: 10, 20
        let mut y = [0.0; 2];
        F32.layer(&[1.0, 2.0, 10.0, 20.0], Some(&[0.5, 0.25]), None, &[3.0, 4.0], &mut y);
        assert_eq!(y, [43.5, 86.25]);
    }

    #[test]
    fn values_that_are_not_numbers_reach_the_outputs_they_belong_to() {
        let mut weights = vec![1.0; 5 * 70];
        weights[2 * 70 + 33] = f32::NAN;
        let mut y = vec![0.0; 70];
        F32.product(&weights, &[1.0; 5], &mut y);
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
        F32.product(&[0.0; 5], &[0.0; 2], &mut [0.0; 3]);
    }
}
