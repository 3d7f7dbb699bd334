//! Sums of outer products in single precision.

use super::register_sums::{add_products, columns, load};
use crate::simd::{Level, leveled};

/// Rows and columns that the vectors of [`add_outer_products`] are padded to.
pub const OUTER_PAD: (usize, usize) = (8, 32);

/// `sum[i][o] = fma(x[k][i], y[k][o], sum[i][o])` for k ascending, for `sum` of shape (I, O): the
/// sum of K outer products, each element in one order whatever is computed beside it. Class A.
///
/// Row k of `x` and of `y` starts at `k stride`; `sum` takes the first I and O elements. Elements
/// behind them, up to whole multiples of [`OUTER_PAD`], are read and not used.
///
/// # Panics
/// If `x` or `y` ends before that, or `sum` does not have whole rows of `outputs`.
pub fn add_outer_products(
    count: usize,
    x: &[f32],
    y: &[f32],
    stride: usize,
    outputs: usize,
    sum: &mut [f32],
) {
    if outputs == 0 || sum.is_empty() || count == 0 {
        return;
    }
    assert_eq!(sum.len() % outputs, 0, "whole rows");
    let last = (count - 1) * stride;
    let inputs = (sum.len() / outputs).next_multiple_of(OUTER_PAD.0);
    assert!(x.len() >= last + inputs, "x has all rows and what is read behind them");
    let outputs_read = outputs.next_multiple_of(OUTER_PAD.1);
    assert!(y.len() >= last + outputs_read, "y has all rows and what is read behind them");
    outer_at(Level::current(), count, x, y, stride, outputs, sum);
}

leveled! {
    fn outer_at(
        count: usize,
        x: &[f32],
        y: &[f32],
        stride: usize,
        outputs: usize,
        sum: &mut [f32],
    ) = outer_body::<4, 16>, wide outer_body::<8, 32>;
}

#[inline(always)]
fn outer_body<const R: usize, const B: usize>(
    count: usize,
    x: &[f32],
    y: &[f32],
    stride: usize,
    outputs: usize,
    sum: &mut [f32],
) {
    if count == 0 {
        return;
    }
    let inputs = sum.len() / outputs;
    let reach = (count - 1) * stride + 1;
    for at in (0..outputs).step_by(B) {
        let width = B.min(outputs - at);
        for row in (0..inputs).step_by(R) {
            let rows = R.min(inputs - row);
            let mut sums = [[0.0; B]; R];
            for (k, sums) in sums.iter_mut().enumerate().take(rows) {
                *sums = load(&sum[(row + k) * outputs + at..][..width]);
            }
            // As R slices: of one the compiler would make a register, and then take it to pieces.
            let x: [&[f32]; R] = std::array::from_fn(|k| &x[row + k..][..reach]);
            for step in 0..count {
                let y = columns(y, step * stride + at);
                sums = add_products(sums, &x, step * stride, y);
            }
            for (k, sums) in sums.iter().enumerate().take(rows) {
                sum[(row + k) * outputs + at..][..width].copy_from_slice(&sums[..width]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::noise::Noise;
    use crate::seed::Purpose;

    fn bits(values: &[f32]) -> Vec<u32> {
        values.iter().map(|value| value.to_bits()).collect()
    }

    fn normals(member: usize, count: usize) -> Vec<f32> {
        let mut values = vec![0.0; count];
        Noise::new(17, Purpose::Initial).fill(0, member as u64, &mut values);
        values
    }

    #[test]
    fn outer_products_are_added_in_order_on_every_level() {
        for (count, inputs, outputs) in
            [(1_usize, 1_usize, 1_usize), (5, 9, 10), (33, 20, 70), (0, 3, 4)]
        {
            let stride = inputs.next_multiple_of(8).max(outputs.next_multiple_of(32));
            let (x, y) = (normals(1, count * stride), normals(2, count * stride));
            let before = normals(3, inputs * outputs);
            let mut expected = before.clone();
            for k in 0..count {
                for i in 0..inputs {
                    for o in 0..outputs {
                        let sum = &mut expected[i * outputs + o];
                        *sum = x[k * stride + i].mul_add(y[k * stride + o], *sum);
                    }
                }
            }
            for level in Level::available() {
                let mut sum = before.clone();
                outer_at(level, count, &x, &y, stride, outputs, &mut sum);
                assert_eq!(bits(&sum), bits(&expected), "{inputs} x {outputs} on {level}");
            }
            // Any rows of it alone are the same.
            if inputs > 8 {
                let mut part = before[8 * outputs..].to_vec();
                add_outer_products(count, &x[8..], &y, stride, outputs, &mut part);
                assert_eq!(bits(&part), bits(&expected[8 * outputs..]));
            }
        }
    }
}
