//! Vector registers full of logarithmic words.
//!
//! A value of such a type is the proof that the machine has its instructions: the first one is
//! made by [`Lanes::proven`] after they were detected, and all others are made from others. So
//! everything but that is safe. All methods are inlined into functions compiled for the
//! instruction set; outside of one they would work too, slowly.

/// A register of words, 16 bits wide as they are in memory or narrowed to 8 bits.
pub(super) trait Lanes: Copy {
    /// How many words.
    const LANES: usize;

    /// A register.
    ///
    /// # Safety
    /// The machine has the instruction set of this type, and the caller is compiled for it.
    unsafe fn proven() -> Self;

    /// The first words, in an order of this type's own.
    fn load(self, words: &[i16]) -> Self;
    /// Puts them back, in the order of `load`.
    fn store(self, words: &mut [i16]);

    /// The same number in each lane.
    fn all(self, lane: i16) -> Self;
    fn max(self, other: Self) -> Self;
    fn min(self, other: Self) -> Self;
    /// The smaller one, both without sign.
    fn min_unsigned(self, other: Self) -> Self;
    fn saturating_add(self, other: Self) -> Self;
    fn wrapping_sub(self, other: Self) -> Self;
    fn or(self, other: Self) -> Self;
    fn xor(self, other: Self) -> Self;

    /// `self ^ (!other & 1)`
    fn xor_not_lowest(self, other: Self) -> Self;
    /// `(self & !1) | (other & 1)`
    fn with_lowest(self, other: Self) -> Self;
    /// Zero, which is the lowest number of a lane, wherever `self` is below `low`.
    fn zero_below(self, low: Self) -> Self;
    /// The same, and wherever `other` is zero.
    fn zero_below_or_where_zero(self, low: Self, other: Self) -> Self;
    /// `by` wherever `other` is zero.
    fn replaced_where_zero(self, other: Self, by: Self) -> Self;
}

macro_rules! methods {
    ($($name:ident($($arg:ident),*) = $value:expr;)*) => {
        $(
            #[inline(always)]
            fn $name(self, $($arg: Self),*) -> Self {
                let a = self.0;
                // SAFETY: these instructions need nothing but the set that `self` proves.
                Self(unsafe { $value(a, $($arg.0),*) })
            }
        )*
    };
}
pub(super) use methods;
