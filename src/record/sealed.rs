//! Safetensors files with a checksum: readable by anybody's safetensors, refused by us if one bit
//! is wrong.
//!
//! The one metadata entry `es_train` is a JSON object of texts. Its `checksum` is the xxh3-128 of
//! everything else: each tensor's name, type, shape and bytes, and each other text, in the order of
//! their names. One entry, because the library writes several in an order that changes from run to
//! run, and the same policy should be the same file.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use safetensors::{Dtype, SafeTensors, View};
use xxhash_rust::xxh3::Xxh3;

const METADATA: &str = "es_train";
const CHECKSUM: &str = "checksum";
const FORMAT: &str = "format";

/// What is wrong with a file that should hold tensors.
#[derive(Debug, thiserror::Error)]
pub enum SealedError {
    /// Not a safetensors file, or cut short.
    #[error("damaged or not a safetensors file ({0})")]
    Unreadable(String),
    /// The content does not match its checksum.
    #[error("damaged: its checksum is {found}, the content's is {computed}")]
    Checksum {
        /// What the file says.
        found: String,
        /// What the content gives.
        computed: String,
    },
    /// A whole file, but of another kind or version.
    #[error("holds `{found}`, expected `{expected}`")]
    Format {
        /// What the file says it is.
        found: String,
        /// What was looked for.
        expected: String,
    },
    /// An entry is missing or does not make sense.
    #[error("`{0}` is missing or malformed")]
    Entry(String),
}

/// One tensor: numbers, or plain bytes.
#[derive(Clone, Debug, PartialEq)]
enum Data {
    F32(Vec<f32>),
    F64(Vec<f64>),
    U8(Vec<u8>),
}

#[derive(Clone, Debug, PartialEq)]
struct Entry {
    shape: Vec<usize>,
    data: Data,
}

impl View for &Entry {
    fn dtype(&self) -> Dtype {
        match self.data {
            Data::F32(_) => Dtype::F32,
            Data::F64(_) => Dtype::F64,
            Data::U8(_) => Dtype::U8,
        }
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        match &self.data {
            Data::F32(values) => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
            Data::F64(values) => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
            Data::U8(bytes) => Cow::Borrowed(bytes),
        }
    }

    fn data_len(&self) -> usize {
        match &self.data {
            Data::F32(values) => 4 * values.len(),
            Data::F64(values) => 8 * values.len(),
            Data::U8(bytes) => bytes.len(),
        }
    }
}

/// Named tensors and named texts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sealed {
    tensors: BTreeMap<String, Entry>,
    texts: BTreeMap<String, String>,
}

impl Sealed {
    /// An empty file of the given kind.
    pub fn new(format: &str) -> Self {
        let mut sealed = Sealed::default();
        sealed.put_text(FORMAT, format);
        sealed
    }

    /// Adds f32 numbers.
    pub fn put_f32(&mut self, name: &str, shape: &[usize], values: Vec<f32>) {
        let entry = Entry { shape: shape.to_vec(), data: Data::F32(values) };
        self.tensors.insert(name.to_owned(), entry);
    }

    /// Adds f64 numbers.
    pub fn put_f64(&mut self, name: &str, shape: &[usize], values: Vec<f64>) {
        let entry = Entry { shape: shape.to_vec(), data: Data::F64(values) };
        self.tensors.insert(name.to_owned(), entry);
    }

    /// Adds plain bytes.
    pub fn put_bytes(&mut self, name: &str, bytes: Vec<u8>) {
        let entry = Entry { shape: vec![bytes.len()], data: Data::U8(bytes) };
        self.tensors.insert(name.to_owned(), entry);
    }

    /// Adds a text.
    pub fn put_text(&mut self, name: &str, text: impl Into<String>) {
        self.texts.insert(name.to_owned(), text.into());
    }

    /// The f32 numbers of this name.
    ///
    /// # Errors
    /// If there are none.
    pub fn f32(&self, name: &str) -> Result<&[f32], SealedError> {
        match self.tensors.get(name) {
            Some(Entry { data: Data::F32(values), .. }) => Ok(values),
            _ => Err(SealedError::Entry(name.to_owned())),
        }
    }

    /// The f64 numbers of this name.
    ///
    /// # Errors
    /// If there are none.
    pub fn f64(&self, name: &str) -> Result<&[f64], SealedError> {
        match self.tensors.get(name) {
            Some(Entry { data: Data::F64(values), .. }) => Ok(values),
            _ => Err(SealedError::Entry(name.to_owned())),
        }
    }

    /// The bytes of this name.
    ///
    /// # Errors
    /// If there are none.
    pub fn bytes(&self, name: &str) -> Result<&[u8], SealedError> {
        match self.tensors.get(name) {
            Some(Entry { data: Data::U8(bytes), .. }) => Ok(bytes),
            _ => Err(SealedError::Entry(name.to_owned())),
        }
    }

    /// The text of this name.
    ///
    /// # Errors
    /// If there is none.
    pub fn text(&self, name: &str) -> Result<&str, SealedError> {
        self.texts.get(name).map(String::as_str).ok_or_else(|| SealedError::Entry(name.to_owned()))
    }

    /// Names of all tensors, sorted.
    pub fn tensor_names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    fn checksum(&self) -> String {
        let mut hash = Xxh3::new();
        for (name, entry) in &self.tensors {
            hash.update(format!("{name}\0{:?}\0{:?}\0", entry.dtype(), entry.shape).as_bytes());
            hash.update(&entry.data());
        }
        for (name, text) in self.texts.iter().filter(|(name, _)| *name != CHECKSUM) {
            hash.update(format!("{name}\0{text}\0").as_bytes());
        }
        format!("{:032x}", hash.digest128())
    }

    /// The file's bytes.
    ///
    /// # Errors
    /// If the library refuses a tensor, which would be a fault of this program.
    pub fn to_bytes(&self) -> Result<Vec<u8>, SealedError> {
        let mut texts = self.texts.clone();
        texts.insert(CHECKSUM.to_owned(), self.checksum());
        let json = serde_json::to_string(&texts)
            .map_err(|error| SealedError::Unreadable(error.to_string()))?;
        let metadata = HashMap::from([(METADATA.to_owned(), json)]);
        safetensors::serialize(&self.tensors, Some(metadata))
            .map_err(|error| SealedError::Unreadable(error.to_string()))
    }

    /// A file with the checksum that its content should have, whatever it says; nothing if it cannot
    /// be read at all. For tests of what reads the content: no change to a file would get past the
    /// checksum.
    #[doc(hidden)]
    pub fn sealed_again(bytes: &[u8]) -> Option<Vec<u8>> {
        Self::unchecked(bytes).ok()?.to_bytes().ok()
    }

    /// Reads a file of the given kind.
    ///
    /// # Errors
    /// If it is damaged in any bit, or of another kind.
    pub fn from_bytes(bytes: &[u8], format: &str) -> Result<Self, SealedError> {
        let mut sealed = Self::unchecked(bytes)?;
        let found = sealed.text(CHECKSUM)?.to_owned();
        let computed = sealed.checksum();
        if found != computed {
            return Err(SealedError::Checksum { found, computed });
        }
        if sealed.text(FORMAT)? != format {
            return Err(SealedError::Format {
                found: sealed.text(FORMAT)?.to_owned(),
                expected: format.to_owned(),
            });
        }
        sealed.texts.remove(CHECKSUM);
        Ok(sealed)
    }

    /// Reads a file, whatever its checksum and kind.
    fn unchecked(bytes: &[u8]) -> Result<Self, SealedError> {
        let unreadable =
            |error: safetensors::SafeTensorError| SealedError::Unreadable(error.to_string());
        let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(unreadable)?;
        let json = metadata.metadata().as_ref().and_then(|entries| entries.get(METADATA));
        let json = json.ok_or_else(|| SealedError::Entry(METADATA.to_owned()))?;
        let texts =
            serde_json::from_str(json).map_err(|_| SealedError::Entry(METADATA.to_owned()))?;
        let mut sealed = Sealed { texts, ..Sealed::default() };
        for (name, view) in SafeTensors::deserialize(bytes).map_err(unreadable)?.tensors() {
            let data = match view.dtype() {
                Dtype::F32 => Data::F32(
                    view.data().as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect(),
                ),
                Dtype::F64 => Data::F64(
                    view.data().as_chunks::<8>().0.iter().map(|b| f64::from_le_bytes(*b)).collect(),
                ),
                Dtype::U8 => Data::U8(view.data().to_vec()),
                _ => return Err(SealedError::Entry(name)),
            };
            sealed.tensors.insert(name, Entry { shape: view.shape().to_vec(), data });
        }
        Ok(sealed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn example() -> Sealed {
        let mut sealed = Sealed::new("es-train test 1");
        sealed.put_f32("theta", &[2, 3], vec![0.5, -0.0, 1e-40, f32::MAX, 3.0, 4.0]);
        sealed.put_f64("mean", &[2], vec![-0.0, 1.0 / 3.0]);
        sealed.put_bytes("sums", vec![1, 2, 3]);
        sealed.put_text("counters", "{\"generation\": 7}");
        sealed
    }

    #[test]
    fn what_is_written_is_read_back() {
        let sealed = example();
        let back = Sealed::from_bytes(&sealed.to_bytes().unwrap(), "es-train test 1").unwrap();
        assert_eq!(back, sealed);
    }

    #[test]
    fn the_same_content_is_the_same_bytes() {
        assert_eq!(example().to_bytes().unwrap(), example().to_bytes().unwrap());
    }

    #[test]
    fn another_kind_of_file_is_named() {
        let error = Sealed::from_bytes(&example().to_bytes().unwrap(), "es-train test 2");
        assert!(error.unwrap_err().to_string().contains("expected `es-train test 2`"));
    }

    proptest! {
        #[test]
        fn one_wrong_bit_anywhere_is_refused(place in any::<prop::sample::Index>(), bit in 0u8..8) {
            let mut bytes = example().to_bytes().unwrap();
            let place = place.index(bytes.len());
            bytes[place] ^= 1 << bit;
            // A bit of the header's white space may change nothing; then the content is the same.
            if let Ok(read) = Sealed::from_bytes(&bytes, "es-train test 1") {
                prop_assert_eq!(read, example());
            }
        }

        #[test]
        fn a_file_cut_short_is_refused(keep in any::<prop::sample::Index>()) {
            let bytes = example().to_bytes().unwrap();
            let keep = keep.index(bytes.len());
            prop_assert!(Sealed::from_bytes(&bytes[..keep], "es-train test 1").is_err());
        }

        #[test]
        fn bytes_that_were_never_a_checkpoint_do_not_panic(
            bytes in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            prop_assert!(Sealed::from_bytes(&bytes, "es-train test 1").is_err());
        }
    }
}
