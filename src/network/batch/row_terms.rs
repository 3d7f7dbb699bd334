//! The terms that the members' factors add to the sums of each row: `t_j A_j` and `± e`.

use super::Row;
use crate::arithmetic::{Arithmetic, Number, Terms};
use crate::network::{FactorLayout, LayerFactors};

/// The numbers of the rows' terms in one layer.
pub(super) struct Scaling<V> {
    dots: Vec<V>,
    numbers: Vec<V>,
    starts: Vec<usize>,
}

impl<V: Number> Scaling<V> {
    pub fn new() -> Self {
        Scaling { dots: Vec::new(), numbers: Vec::new(), starts: Vec::new() }
    }

    /// The terms of all rows in one layer, whose inputs lie in `x`.
    #[allow(clippy::too_many_arguments)] // the parts of a network, borrowed apart
    pub fn terms<'a, A: Arithmetic<Value = V>>(
        &'a mut self,
        arithmetic: &A,
        rows: &[Row],
        input: impl Fn(usize) -> usize,
        layer: &LayerFactors,
        layout: &FactorLayout,
        x: &[V],
        factors: &'a [V],
    ) -> Terms<'a, V> {
        let rank = layout.rank;
        let count = rank + usize::from(!layer.bias.is_empty());
        let one = arithmetic.constant(1.0);
        self.dots.resize(rows.len() * rank, A::ZERO);
        self.numbers.resize(rows.len() * count, A::ZERO);
        self.starts.clear();
        for (k, row) in rows.iter().enumerate() {
            let member = &factors[row.place * layout.len()..][..layout.len()];
            // The two members of a pair have the same dots, up to their signs.
            let before = k
                .checked_sub(1)
                .filter(|&before| rows[before].place == row.place && input(before) == input(k));
            let (done, dots) = self.dots.split_at_mut(k * rank);
            let dots = &mut dots[..rank];
            match before {
                Some(before) => dots.copy_from_slice(&done[before * rank..]),
                None => {
                    let x = &x[input(k) * layer.inputs..][..layer.inputs];
                    let vectors = member[layer.b.clone()].chunks(layer.inputs);
                    for (dot, b) in dots.iter_mut().zip(vectors) {
                        arithmetic.layer(b, None, None, x, std::slice::from_mut(dot));
                    }
                }
            }
            let (scaled, bias) = self.numbers[k * count..][..count].split_at_mut(rank);
            arithmetic.scale(row.scale, dots, scaled);
            bias.fill(if row.scale < 0.0 { arithmetic.negative(one) } else { one });
            self.starts.push(row.place * layout.len() + layer.a.start);
        }
        Terms { count, numbers: &self.numbers, vectors: factors, starts: &self.starts }
    }
}
