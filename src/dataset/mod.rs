//! Data sets: samples of bytes, each with the class it belongs to.
//!
//! Those that everybody knows are read from files in the format in which they are published (see
//! [`find`] for where they may lie, [`mod@known`] for what they are); [`download`] gets them. The set
//! `synthetic` is made in the program, for tests and for machines without any file.
//!
//! A sample stays in bytes as the files have it: four times smaller than numbers, and the same on
//! every machine without a word about rounding.

pub mod download;
mod error;
pub mod find;
mod http;
mod idx;
pub mod known;
mod part;
mod samples;
mod synthetic;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use serde::{Deserialize, Serialize};

pub use error::DataSetError;
pub use idx::IdxError;
pub use samples::{DataSet, Samples};

use find::Files;
use known::{About, CLASSES, KNOWN, Known, known};

/// All data sets.
pub const NAMES: &[&str] = &names();

/// The published ones, then the one that is made here.
const fn names() -> [&'static str; KNOWN.len() + 1] {
    let mut names = [synthetic::NAME; KNOWN.len() + 1];
    let mut set = 0;
    while set < KNOWN.len() {
        names[set] = KNOWN[set].name;
        set += 1;
    }
    names
}

/// What is said of the data set of this name.
pub fn about(name: &str) -> Option<About> {
    if name == synthetic::NAME { Some(synthetic::ABOUT) } else { known(name).map(|set| set.about) }
}

/// Training samples that are held out of a published set for validation.
const HELD_OUT: usize = 10_000;

/// Which samples are trained on, and which are kept for what.
///
/// Choices between runs, such as a learning rate, are made on the validation set: made on the test
/// set, they would make its error too good.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Split {
    /// The last training samples are the validation set: 10,000 of 60,000, or 1,000 of the 5,000
    /// of `synthetic`.
    #[default]
    Validation,
    /// All training samples are trained on, and there is no validation set.
    Test,
}

/// The data set of this name, whose files are looked for where [`find`] says. All that use it at a
/// time in this process share it.
///
/// # Errors
/// If there is no such set, or its files are missing, damaged or do not fit each other.
pub fn load(
    name: &str,
    split: Split,
    directory: Option<&Path>,
) -> Result<Arc<DataSet>, DataSetError> {
    static LOADED: Mutex<Vec<(Key, Weak<DataSet>)>> = Mutex::new(Vec::new());
    let key = (name.to_owned(), split, directory.map(Path::to_owned));
    // Held while reading: ranks of one process want the same set at the same time.
    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    loaded.retain(|(_, set)| set.strong_count() > 0);
    let known = loaded.iter().find(|(known, _)| *known == key);
    if let Some(set) = known.and_then(|(_, set)| set.upgrade()) {
        return Ok(set);
    }
    let set = Arc::new(read(name, split, directory)?);
    loaded.push((key, Arc::downgrade(&set)));
    Ok(set)
}

/// Reads bytes as images and as labels, for [`readers`](crate::readers).
pub(crate) fn read_idx(bytes: &[u8]) {
    if let Ok(images) = idx::images(bytes) {
        assert_eq!(images.count * images.width, images.bytes.len());
    }
    let _ = idx::labels(bytes);
}

/// What decides which samples a set has.
type Key = (String, Split, Option<PathBuf>);

fn read(name: &str, split: Split, directory: Option<&Path>) -> Result<DataSet, DataSetError> {
    let (mut training, test, held_out) = if name == synthetic::NAME {
        let (training, test) = synthetic::make();
        (training, test, synthetic::HELD_OUT)
    } else {
        let set = known(name).ok_or_else(|| DataSetError::Unknown { name: name.to_owned() })?;
        let files = Files::find(set, directory)?;
        let training = files.read(set, 0)?;
        let test = files.read(set, 2)?;
        check_widths(set, &training, &test)?;
        (training, test, HELD_OUT)
    };
    let validation = match split {
        Split::Test => None,
        Split::Validation if training.len() <= held_out => {
            let (name, found) = (name.to_owned(), training.len());
            return Err(DataSetError::TooFew { name, found, held_out });
        }
        Split::Validation => Some(training.split_off(training.len() - held_out)),
    };
    Ok(DataSet { name: name.to_owned(), classes: CLASSES, training, validation, test })
}

fn check_widths(set: &Known, training: &Samples, test: &Samples) -> Result<(), DataSetError> {
    if training.width() == test.width() {
        return Ok(());
    }
    let (training, test) = (training.width(), test.width());
    Err(DataSetError::Widths { name: set.name, training, test })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(shape: &[u32], bytes: &[u8]) -> Vec<u8> {
        let mut file = vec![0, 0, 8, shape.len() as u8];
        file.extend(shape.iter().flat_map(|size| size.to_be_bytes()));
        file.extend(bytes);
        file
    }

    fn labels(labels: &[u8]) -> Vec<u8> {
        file(&[labels.len() as u32], labels)
    }

    /// A directory with a small set of 3 training and 2 test samples.
    fn small() -> tempfile::TempDir {
        let place = tempfile::tempdir().unwrap();
        write(&place, "train-images-idx3-ubyte", &file(&[3, 2, 2], &[7; 12]));
        write(&place, "train-labels-idx1-ubyte", &labels(&[0, 9, 3]));
        write(&place, "t10k-images-idx3-ubyte", &file(&[2, 2, 2], &[1, 2, 3, 4, 5, 6, 7, 8]));
        write(&place, "t10k-labels-idx1-ubyte", &labels(&[4, 5]));
        place
    }

    fn write(place: &tempfile::TempDir, name: &str, bytes: &[u8]) {
        std::fs::write(place.path().join(name), bytes).unwrap();
    }

    #[track_caller]
    fn refused(place: &tempfile::TempDir, split: Split, says: &[&str]) {
        let error = load("mnist", split, Some(place.path())).unwrap_err().to_string();
        for part in says {
            assert!(error.contains(part), "no `{part}` in: {error}");
        }
    }

    #[test]
    fn a_set_is_its_four_files() {
        let set = load("mnist", Split::Test, Some(small().path())).unwrap();
        assert_eq!((set.name.as_str(), set.classes, &set.validation), ("mnist", 10, &None));
        assert_eq!((set.training.len(), set.test.len(), set.test.width()), (3, 2, 4));
        assert_eq!((set.test.input(1), set.test.label(1)), (&[5, 6, 7, 8][..], 5));
    }

    #[test]
    fn every_name_is_known_and_no_other_is() {
        for name in NAMES {
            assert!(*name == synthetic::NAME || known(name).is_some(), "{name}");
        }
        let error = load("mnits", Split::Test, None).unwrap_err().to_string();
        for part in ["`mnits`", "mnist, fashion-mnist, synthetic"] {
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn a_label_beyond_the_classes_is_refused_with_its_place() {
        let place = small();
        write(&place, "train-labels-idx1-ubyte", &labels(&[0, 9, 10]));
        refused(&place, Split::Test, &["train-labels-idx1-ubyte", "label 2 is 10", "0 to 9"]);
    }

    #[test]
    fn images_and_labels_that_differ_in_number_are_refused() {
        let place = small();
        write(&place, "t10k-labels-idx1-ubyte", &labels(&[4, 5, 6]));
        refused(&place, Split::Test, &["t10k-images", "2 images", "t10k-labels", "3 labels"]);
    }

    #[test]
    fn test_images_of_another_size_are_refused() {
        let place = small();
        write(&place, "t10k-images-idx3-ubyte", &file(&[2, 1, 2], &[1, 2, 3, 4]));
        refused(&place, Split::Test, &["4 bytes", "2 bytes"]);
    }

    #[test]
    fn a_damaged_file_is_named_with_what_gets_a_whole_one() {
        let place = small();
        write(&place, "t10k-labels-idx1-ubyte", b"<html>");
        refused(&place, Split::Test, &["t10k-labels-idx1-ubyte: ", "es-train fetch mnist"]);
    }

    #[test]
    fn a_set_too_small_to_hold_samples_out_is_refused() {
        refused(&small(), Split::Validation, &["3 training samples", "10000", "split = \"test\""]);
    }

    #[test]
    fn the_last_training_samples_are_the_validation_set() {
        let whole = load("synthetic", Split::Test, None).unwrap();
        let set = load("synthetic", Split::Validation, None).unwrap();
        let validation = set.validation.as_ref().unwrap();
        assert_eq!((whole.training.len(), &whole.validation), (5000, &None));
        assert!(Arc::ptr_eq(&set, &load("synthetic", Split::Validation, None).unwrap()));
        assert_eq!((set.training.len(), validation.len(), set.test.len()), (4000, 1000, 1000));
        assert_eq!(set.training.input(3999), whole.training.input(3999));
        assert_eq!(validation.input(0), whole.training.input(4000));
        assert_eq!(validation.label(999), whole.training.label(4999));
        assert_eq!(set.test, whole.test);
    }

    #[test]
    fn splits_are_written_as_words() {
        let words = [Split::Validation, Split::Test].map(|s| serde_json::to_string(&s).unwrap());
        assert_eq!(words, ["\"validation\"", "\"test\""]);
        assert_eq!(serde_json::from_str::<Split>("\"validation\"").unwrap(), Split::default());
    }
}
