//! The loop over a layer's weights for formats with one accumulator an output: the inputs in
//! ascending order, and the outputs side by side.

/// How a format adds a product to a sum.
pub(super) trait Accumulator {
    type Weight: Copy;
    type Input: Copy;
    type Sum: Copy;

    /// A weight to fill lanes with that nobody looks at.
    const FILLER: Self::Weight;

    /// Whether products with this input change no sum.
    fn skips(&self, x: Self::Input) -> bool;

    /// `sums[o] += row[o] x`.
    fn add<const L: usize>(
        &self,
        sums: &mut [Self::Sum; L],
        row: &[Self::Weight; L],
        x: Self::Input,
    );
}

/// `sums[o] += weights[i][o] x[i]` for all i in ascending order. Compiled for a level where it is
/// inlined into something that is.
///
/// # Panics
/// If `weights` does not have as many elements as inputs times sums.
#[inline(always)]
pub(super) fn sum_rows<A: Accumulator>(
    accumulator: &A,
    weights: &[A::Weight],
    x: &[A::Input],
    sums: &mut [A::Sum],
) {
    assert_eq!(weights.len(), x.len() * sums.len(), "weights must be inputs times outputs");
    let outputs = sums.len();
    let mut at = 0;
    while at + 128 <= outputs {
        block::<128, A>(accumulator, weights, x, outputs, at, sums);
        at += 128;
    }
    while at + 64 <= outputs {
        block::<64, A>(accumulator, weights, x, outputs, at, sums);
        at += 64;
    }
    while at + 16 <= outputs {
        block::<16, A>(accumulator, weights, x, outputs, at, sums);
        at += 16;
    }
    if at < outputs {
        last(accumulator, weights, x, outputs, at, sums);
    }
}

/// Outputs `at` to `at + L`.
#[inline(always)]
fn block<const L: usize, A: Accumulator>(
    accumulator: &A,
    weights: &[A::Weight],
    x: &[A::Input],
    outputs: usize,
    at: usize,
    sums: &mut [A::Sum],
) {
    let place: &mut [A::Sum; L] = sums[at..].first_chunk_mut().expect("L outputs are left");
    let mut sums = *place;
    for (i, &x) in x.iter().enumerate() {
        if !accumulator.skips(x) {
            let row = weights[i * outputs + at..].first_chunk().expect("L weights are left");
            accumulator.add::<L>(&mut sums, row, x);
        }
    }
    *place = sums;
}

/// The outputs from `at` on, fewer than 16: in as many lanes as a block has.
#[inline(always)]
fn last<A: Accumulator>(
    accumulator: &A,
    weights: &[A::Weight],
    x: &[A::Input],
    outputs: usize,
    at: usize,
    sums: &mut [A::Sum],
) {
    let place = &mut sums[at..];
    let mut sums: [A::Sum; 16] = std::array::from_fn(|o| place[o.min(place.len() - 1)]);
    for (i, &x) in x.iter().enumerate() {
        if !accumulator.skips(x) {
            let rest = &weights[i * outputs + at..];
            // What lies behind belongs to the next input: computed, and not looked at.
            let row = match rest.first_chunk::<16>() {
                Some(row) => *row,
                None => std::array::from_fn(|o| rest.get(o).copied().unwrap_or(A::FILLER)),
            };
            accumulator.add::<16>(&mut sums, &row, x);
        }
    }
    place.copy_from_slice(&sums[..place.len()]);
}
