//! The reference batch of virtual batch normalisation in a file: pixels as bytes, other observations
//! as they are.

use std::sync::Arc;

use super::{Sealed, SealedError};

/// The name of the tensor.
pub(super) const NAME: &str = "observation.reference";

/// Puts observations (N, O) into a file.
pub(super) fn put(sealed: &mut Sealed, observations: &[f32]) {
    // A number that is no byte over 255 is not itself again.
    let byte = |&share: &f32| {
        let byte = (share * 255.0).round().clamp(0.0, 255.0) as u8;
        (f32::from(byte) / 255.0).to_bits().eq(&share.to_bits()).then_some(byte)
    };
    match observations.iter().map(byte).collect() {
        Some(bytes) => sealed.put_bytes(NAME, bytes),
        None => sealed.put_f32(NAME, &[observations.len()], observations.to_vec()),
    }
}

/// The observations of a file, if it has any.
pub(super) fn get(sealed: &Sealed) -> Result<Option<Arc<[f32]>>, SealedError> {
    if !sealed.tensor_names().any(|name| name == NAME) {
        return Ok(None);
    }
    Ok(Some(match sealed.bytes(NAME) {
        Ok(bytes) => bytes.iter().map(|&byte| f32::from(byte) / 255.0).collect(),
        Err(_) => sealed.f32(NAME)?.into(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn observations_read_back_to_themselves_and_pixels_take_a_byte() {
        let pixels: Vec<f32> = (0..=255).map(|byte| byte as f32 / 255.0).collect();
        for (observations, bytes) in
            [(pixels.clone(), true), (vec![0.5, -3.0], false), (vec![-0.0], false)]
        {
            let mut sealed = Sealed::new("test");
            put(&mut sealed, &observations);
            assert_eq!(sealed.bytes(NAME).is_ok(), bytes);
            let back = get(&sealed).unwrap().unwrap();
            let bits = |all: &[f32]| all.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(&back), bits(&observations));
        }
        assert_eq!(get(&Sealed::new("test")).unwrap(), None);
    }
}
