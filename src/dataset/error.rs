//! Why there is no data set.

use std::path::PathBuf;

use super::{IdxError, NAMES};

/// Why a data set cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum DataSetError {
    /// No set has this name.
    #[error("there is no data set `{name}`; expected one of {}", NAMES.join(", "))]
    Unknown {
        /// What was asked for.
        name: String,
    },
    /// Nothing says where files may be.
    #[error(
        "no directory for data sets: this user has no home directory; say where they lie with \
         `--data DIR` or the environment variable ES_TRAIN_DATA"
    )]
    NoPlace,
    /// A file is nowhere.
    #[error(
        "{name} is not here: looked for {}; `{fetch}` downloads it, and `--data DIR` or the \
         environment variable ES_TRAIN_DATA says that it lies elsewhere",
        list(places)
    )]
    Missing {
        /// The data set.
        name: &'static str,
        /// All paths that the file could have.
        places: Vec<PathBuf>,
        /// The command that downloads it to where it was looked for.
        fetch: String,
    },
    /// A file cannot be read.
    #[error("{}: cannot read it: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file is damaged, or another than its name says.
    #[error("{}: {source}; remove it, and `es-train fetch {name}` downloads it again", path.display())]
    Damaged {
        /// The data set.
        name: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: IdxError,
    },
    /// A file belongs to another data set.
    #[error(
        "{}: this is a file of {found}, expected one of {expected}; put the files of {expected} \
         into a directory `{expected}` beside it, as `es-train fetch {expected}` does",
        path.display()
    )]
    OtherSet {
        /// The file.
        path: PathBuf,
        /// The set that it belongs to.
        found: &'static str,
        /// The set that was asked for.
        expected: &'static str,
    },
    /// Not one label for each image.
    #[error(
        "{} has {image_count} images, but {} has {label_count} labels; expected as many: these \
         files do not belong together",
        images.display(),
        labels.display()
    )]
    Counts {
        /// The file of the images.
        images: PathBuf,
        /// How many it has.
        image_count: usize,
        /// The file of the labels.
        labels: PathBuf,
        /// How many it has.
        label_count: usize,
    },
    /// A class that does not exist.
    #[error(
        "{}: label {index} is {label}, expected 0 to {}; this is not the file of a set of \
         {classes} classes",
        path.display(),
        classes - 1
    )]
    Label {
        /// The file.
        path: PathBuf,
        /// Which label, from 0.
        index: usize,
        /// What it is.
        label: u8,
        /// Classes of the set.
        classes: usize,
    },
    /// Training and test images differ in size.
    #[error(
        "{name}: a training image has {training} bytes, a test image {test} bytes; expected as \
         many: the files are of different sets"
    )]
    Widths {
        /// The data set.
        name: &'static str,
        /// Bytes of a training sample.
        training: usize,
        /// Bytes of a test sample.
        test: usize,
    },
    /// No training samples would be left.
    #[error(
        "{name} here has {found} training samples, of which the last {held_out} would be the \
         validation set; expected more than those, or split = \"test\", which has no validation set"
    )]
    TooFew {
        /// The data set.
        name: String,
        /// Training samples in the files.
        found: usize,
        /// How many are held out.
        held_out: usize,
    },
}

fn list(paths: &[PathBuf]) -> String {
    let paths: Vec<_> = paths.iter().map(|path| path.display().to_string()).collect();
    paths.join(", ")
}
