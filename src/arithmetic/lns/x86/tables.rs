//! Tables of gains that are short enough to be held in vector registers.

use crate::arithmetic::lns::addition::CANCELLED;

/// Twice G, as in [`Addition::doubled`], with -128 for cancellation.
#[repr(align(64))]
pub struct Narrow(pub [i8; 128]);

/// A table for look-ups in registers.
#[repr(align(64))]
pub struct Planes {
    /// G itself, from place 64 on.
    pub far: [i8; 1024],
    /// Twice G, in the places before that.
    pub near: [i16; 64],
    /// Pieces of 128 bytes that are not all zero.
    pub pieces: usize,
}

impl Narrow {
    pub fn new(doubled: &[i16], cap: u16) -> Option<Self> {
        let fits = |&gain: &i16| gain == CANCELLED || (-127..128).contains(&gain);
        let all = usize::from(cap) < 128 && doubled.iter().all(fits);
        all.then(|| Narrow(std::array::from_fn(|place| doubled[place].max(-128) as i8)))
    }
}

impl Planes {
    pub fn new(doubled: &[i16], cap: u16) -> Option<Box<Self>> {
        let fits = |&gain: &i16| (-256..256).contains(&gain);
        let all = usize::from(cap) < 1024 && doubled[64..].iter().all(fits);
        let far = |place| if place < 64 { 0 } else { (doubled[place] / 2) as i8 };
        all.then(|| {
            Box::new(Planes {
                far: std::array::from_fn(far),
                near: std::array::from_fn(|place| doubled[place]),
                pieces: usize::from(cap) / 128 + 1,
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::arithmetic::LnsAddition;
    use crate::arithmetic::lns::addition::Addition;

    #[test]
    fn tables_of_up_to_6_fraction_bits_fit_and_hold_the_gains_of_the_long_one() {
        for fraction in 0..=10 {
            let addition = Addition::new(fraction, LnsAddition::Exact);
            assert_eq!(addition.narrow.is_some(), fraction <= 3);
            assert_eq!(addition.planes.is_some(), fraction <= 6);
            if let Some(narrow) = &addition.narrow {
                for place in 0..128 {
                    let gain = addition.doubled[place].max(-128);
                    assert_eq!(i16::from(narrow.0[place]), gain);
                }
            }
            if let Some(planes) = &addition.planes {
                assert!(128 * planes.pieces > usize::from(addition.cap));
                assert_eq!(planes.near, addition.doubled[..64]);
                for place in 64..1024 {
                    assert_eq!(2 * i16::from(planes.far[place]), addition.doubled[place]);
                }
            }
        }
    }
}
