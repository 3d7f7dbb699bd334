//! Vectors whose first element is the first of a cache line.

use std::ops::Range;

/// Values that start on a cache line, so that no vector register is loaded from two.
pub(super) struct Aligned<V> {
    values: Vec<V>,
    range: Range<usize>,
}

impl<V: Copy> Aligned<V> {
    pub fn new(zero: V, length: usize) -> Self {
        const LINE: usize = 64;
        let values = vec![zero; length + LINE];
        // Alignment concerns speed only: where it cannot be had, any start will do.
        let start = values.as_ptr().align_offset(LINE).min(LINE);
        Aligned { values, range: start..start + length }
    }

    pub fn len(&self) -> usize {
        self.range.len()
    }

    /// Makes room for so many values, which may be any then.
    pub fn reserve(&mut self, zero: V, length: usize) {
        if self.len() < length {
            *self = Aligned::new(zero, length);
        }
    }

    pub fn get(&self) -> &[V] {
        &self.values[self.range.clone()]
    }

    pub fn get_mut(&mut self) -> &mut [V] {
        &mut self.values[self.range.clone()]
    }
}
