//! From the name of a format to the type that computes in it.

use super::{Arithmetic, Bf16, F32, Fixed, Format, Formats, Lns};

/// Something to be done in the arithmetic of a format, whichever that is.
pub trait InArithmetic {
    /// What comes of it.
    type Output;

    /// Does it.
    fn with<A: Arithmetic>(self, arithmetic: A) -> Self::Output;
}

impl Formats {
    /// Does `task` in the arithmetic of `elsewhere`: the one place that goes from names to types.
    ///
    /// # Panics
    /// If that is `int8`, which the checks of an experiment refuse.
    pub fn elsewhere<T: InArithmetic>(&self, task: T) -> T::Output {
        match self.elsewhere {
            Format::F32 => task.with(F32),
            Format::Bf16 => task.with(Bf16),
            Format::Fixed { bits, fraction } => task.with(Fixed::new(bits, fraction)),
            Format::Lns { bits, fraction } => {
                task.with(Lns::new(bits, fraction, self.lns_addition))
            }
            Format::Int8 => panic!("int8 is for matrix multiplies only"),
        }
    }
}
