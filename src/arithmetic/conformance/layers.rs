//! Whole layers, of one input and of many.

use super::{Check, number, on_every_format};
use crate::arithmetic::{Activation, Affine, Arithmetic, Terms};

#[derive(Clone, Copy)]
struct Layers;

impl Check for Layers {
    fn check<A: Arithmetic>(self, arithmetic: &A, name: &str) {
        for (inputs, outputs) in [(1, 1), (7, 3), (5, 16), (9, 17), (3, 64), (4, 130), (0, 5)] {
            let pool: Vec<A::Value> = [0.0, 0.5, -0.25, 1.0, 0.1, -0.7, 2.0, -1.5, 0.03, 0.9]
                .iter()
                .map(|&x| arithmetic.constant(x))
                .collect();
            let take = |from: usize, count: usize| -> Vec<A::Value> {
                (0..count).map(|k| pool[(from + 7 * k + k * k) % pool.len()]).collect()
            };
            let (weights, x, bias) = (take(1, inputs * outputs), take(2, inputs), take(3, outputs));
            let mut y = vec![A::ZERO; outputs];
            arithmetic.layer(&weights, Some(&bias), None, &x, &mut y);
            for o in 0..outputs {
                let sum = x.iter().enumerate().fold(bias[o], |sum, (i, &x)| {
                    arithmetic.plus(sum, arithmetic.times(weights[i * outputs + o], x))
                });
                if name == "f32" {
                    // Its definition has fused products and partial sums.
                    let (ours, plain) = (number(arithmetic, y[o]), number(arithmetic, sum));
                    assert!((ours - plain).abs() < 1e-5);
                } else {
                    assert_eq!(y[o], sum, "{name}: {inputs} x {outputs}, output {o}");
                }
            }
            let mut plain = vec![A::ZERO; outputs];
            arithmetic.layer(&weights, None, None, &x, &mut plain);
            let mut sums: Vec<A::Sum> = vec![bytemuck::Zeroable::zeroed(); outputs];
            arithmetic.product(&weights, &x, &mut sums);
            let (mut ours, mut same) = (vec![0.0; outputs], vec![0.0; outputs]);
            arithmetic.decode(&plain, &mut ours);
            arithmetic.decode_sums(&sums, 1.0, &mut same);
            assert_eq!(ours, same, "{name}");
        }
    }
}

#[test]
fn layers_are_sums_in_ascending_order_of_the_inputs() {
    on_every_format(Layers);
}

#[derive(Clone, Copy)]
struct Rows;

impl Check for Rows {
    fn check<A: Arithmetic>(self, arithmetic: &A, name: &str) {
        let word = |k: usize| arithmetic.constant(((k * 37 % 41) as f32 - 20.0) / 16.0);
        let many = |first: usize, count: usize| -> Vec<A::Value> {
            (first..first + count).map(word).collect()
        };
        let (rows, inputs, outputs) = (5, 7, 18);
        let (weights, bias) = (many(0, inputs * outputs), many(3, outputs));
        let (x, vectors, numbers) =
            (many(5, rows * inputs), many(7, 3 * outputs), many(9, 2 * rows));
        let starts: Vec<usize> = (0..rows).map(|row| row % 2 * outputs).collect();
        let terms = Terms { count: 2, numbers: &numbers, vectors: &vectors, starts: &starts };
        for activation in [None, Some(Activation::Tanh)] {
            let layer = Affine { weights: &weights, bias: Some(&bias), activation };
            for terms in [None, Some(&terms)] {
                let (mut y, mut room) = (vec![A::ZERO; rows * outputs], Vec::new());
                arithmetic.layers(&layer, terms, rows, &x, &mut y, &mut room);
                for row in 0..rows {
                    let mut one = vec![A::ZERO; outputs];
                    let x = &x[row * inputs..][..inputs];
                    arithmetic.layer(&weights, Some(&bias), None, x, &mut one);
                    for term in 0..terms.map_or(0, |terms| terms.count) {
                        let vector = &vectors[starts[row] + term * outputs..][..outputs];
                        arithmetic.add_scaled(numbers[2 * row + term], vector, &mut one);
                    }
                    if let Some(activation) = activation {
                        arithmetic.activate(activation, &mut one);
                    }
                    assert_eq!(y[row * outputs..][..outputs], one, "{name}: row {row}");
                }
            }
        }
        if name != "f32" {
            let mut y = bias.clone();
            arithmetic.add_scaled(numbers[0], &vectors[..outputs], &mut y);
            for ((y, &bias), &v) in y.iter().zip(&bias).zip(&vectors) {
                let sum = arithmetic.plus(bias, arithmetic.times(v, numbers[0]));
                assert_eq!(*y, sum, "{name}");
            }
        }
    }
}

#[test]
fn every_row_of_many_is_a_layer_of_its_own() {
    on_every_format(Rows);
}
