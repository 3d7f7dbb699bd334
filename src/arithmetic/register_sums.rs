//! Sums of R rows and B columns that stay in registers while products are added to them: what the
//! layers of many rows and the sums of outer products share.

/// Adds the products of all inputs to `P` partial sums (1, 2 or 4) for each row and output, of which
/// the first begins at `start`, and those together.
///
/// The partial sums have names and their steps are written out: in an array of arrays that is
/// indexed by a loop the compiler keeps them in memory, which takes thirty times as long.
#[inline(always)]
pub(super) fn sum_up<const R: usize, const B: usize, const P: usize>(
    start: [[f32; B]; R],
    x: [&[f32]; R],
    weights: &[f32],
    stride: usize,
) -> [[f32; B]; R] {
    let inputs = x[0].len();
    // So that the compiler sees that all are of one length.
    let x = x.map(|x| &x[..inputs]);
    let zero = [[0.0; B]; R];
    let (mut s0, mut s1, mut s2, mut s3) = (start, zero, zero, zero);
    let whole = inputs - inputs % P;
    let mut rows = weights;
    let mut i = 0;
    while i < whole {
        s0 = add_products(s0, &x, i, columns(rows, 0));
        if P > 1 {
            s1 = add_products(s1, &x, i + 1, columns(rows, stride));
        }
        if P > 2 {
            s2 = add_products(s2, &x, i + 2, columns(rows, 2 * stride));
            s3 = add_products(s3, &x, i + 3, columns(rows, 3 * stride));
        }
        i += P;
        rows = &rows[(P * stride).min(rows.len())..];
    }
    if P > 1 && i < inputs {
        s0 = add_products(s0, &x, i, columns(rows, 0));
    }
    if P > 2 && i + 1 < inputs {
        s1 = add_products(s1, &x, i + 1, columns(rows, stride));
    }
    if P > 2 && i + 2 < inputs {
        s2 = add_products(s2, &x, i + 2, columns(rows, 2 * stride));
    }
    if P > 2 {
        s0 = add(s0, s2);
        s1 = add(s1, s3);
    }
    if P > 1 { add(s0, s1) } else { s0 }
}

/// The weights of one input that lie at `start`: by value, into registers.
#[inline(always)]
pub(super) fn columns<const B: usize>(rows: &[f32], start: usize) -> [f32; B] {
    *rows[start..].first_chunk().expect("B columns are left")
}

/// Adds the products of input `i`.
#[inline(always)]
pub(super) fn add_products<const R: usize, const B: usize>(
    mut sums: [[f32; B]; R],
    x: &[&[f32]; R],
    i: usize,
    weights: [f32; B],
) -> [[f32; B]; R] {
    for k in 0..R {
        let x = x[k][i];
        for o in 0..B {
            sums[k][o] = weights[o].mul_add(x, sums[k][o]);
        }
    }
    sums
}

#[inline(always)]
fn add<const R: usize, const B: usize>(
    mut low: [[f32; B]; R],
    high: [[f32; B]; R],
) -> [[f32; B]; R] {
    for k in 0..R {
        for o in 0..B {
            low[k][o] += high[k][o];
        }
    }
    low
}

/// Up to `B` numbers, and zeros.
#[inline(always)]
pub(super) fn load<const B: usize>(from: &[f32]) -> [f32; B] {
    match from.first_chunk::<B>() {
        Some(whole) => *whole,
        None => std::array::from_fn(|o| from.get(o).copied().unwrap_or(0.0)),
    }
}
