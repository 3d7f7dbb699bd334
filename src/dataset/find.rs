//! Where the files of data sets lie.
//!
//! The directory of data sets is the one that was asked for (`--data`), else the one that the
//! environment variable `ES_TRAIN_DATA` names, else `es-train` in the user's cache
//! (`$XDG_CACHE_HOME`, else `~/.cache`). A set's files are in its subdirectory of the set's name or,
//! since many have them lie about so, in the directory itself; packed, as they are published, or
//! not. The four of a set are taken from one place, never from both.
//!
//! All sets have files of the same names, so what lies in the directory itself may be another set.
//! The checksum of packed labels, which are few, tells.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use md5::{Digest, Md5};

use super::known::{CLASSES, Known, owner};
use super::{DataSetError, Samples, idx};

/// The directory of data sets.
///
/// # Errors
/// If none was asked for and the user has no home.
pub fn directory(asked_for: Option<&Path>) -> Result<PathBuf, DataSetError> {
    let variable = |name| std::env::var_os(name);
    let chosen = choose(
        asked_for,
        variable("ES_TRAIN_DATA"),
        variable("XDG_CACHE_HOME"),
        std::env::home_dir(),
    );
    chosen.ok_or(DataSetError::NoPlace)
}

fn choose(
    asked_for: Option<&Path>,
    data: Option<OsString>,
    cache: Option<OsString>,
    home: Option<PathBuf>,
) -> Option<PathBuf> {
    // An empty variable is as good as none; a cache that is relative to wherever one happens to be
    // is to be ignored, says the XDG Base Directory Specification.
    let data = data.filter(|data| !data.is_empty()).map(PathBuf::from);
    let cache = cache.map(PathBuf::from).filter(|cache| cache.is_absolute());
    let home = home.filter(|home| home.is_absolute()).map(|home| home.join(".cache"));
    let cache = || Some(cache.or(home)?.join("es-train"));
    asked_for.map(Path::to_owned).or(data).or_else(cache)
}

/// Where the four files of a set are, in the order of [`Known::files`].
pub(super) struct Files([PathBuf; 4]);

impl Files {
    /// Looks for them.
    pub fn find(set: &'static Known, asked_for: Option<&Path>) -> Result<Self, DataSetError> {
        let root = directory(asked_for)?;
        let directories = [root.join(set.name), root];
        // What is told is the file that is missing where most are.
        let mut told = (0, 0);
        for directory in &directories {
            let found = set.files.each_ref().map(|file| {
                names(file.name).map(|name| directory.join(name)).into_iter().find(|p| p.is_file())
            });
            let Some(missing) = found.iter().position(Option::is_none) else {
                return Ok(Files(found.map(Option::unwrap_or_default)));
            };
            told = told.max((found.iter().flatten().count(), missing));
        }
        let missing = set.files[told.1].name;
        let places = directories.iter().flat_map(|d| names(missing).map(|name| d.join(name)));
        let places = places.collect();
        let mut fetch = format!("es-train fetch {}", set.name);
        if let Some(asked_for) = asked_for {
            fetch += &format!(" --data {}", asked_for.display());
        }
        Err(DataSetError::Missing { name: set.name, places, fetch })
    }

    /// Reads the images of number `first` and the labels after them.
    pub fn read(&self, set: &'static Known, first: usize) -> Result<Samples, DataSetError> {
        let [images, labels] = [&self.0[first], &self.0[first + 1]];
        let damaged = |path: &Path| {
            let (name, path) = (set.name, path.to_owned());
            move |source| DataSetError::Damaged { name, path, source }
        };
        let file = read(labels)?;
        check_owner(set, labels, &file)?;
        let classes = idx::labels(&file).map_err(damaged(labels))?;
        if let Some(index) = classes.iter().position(|label| usize::from(*label) >= CLASSES) {
            return Err(DataSetError::Label {
                path: labels.clone(),
                index,
                label: classes[index],
                classes: CLASSES,
            });
        }
        let pixels = idx::images(&read(images)?).map_err(damaged(images))?;
        if pixels.count != classes.len() {
            return Err(DataSetError::Counts {
                images: images.clone(),
                image_count: pixels.count,
                labels: labels.clone(),
                label_count: classes.len(),
            });
        }
        Ok(Samples::new(pixels.width, pixels.bytes, classes))
    }
}

/// The names that a published file may have: packed or not.
fn names(published: &str) -> [&str; 2] {
    [published, published.trim_end_matches(".gz")]
}

fn read(path: &Path) -> Result<Vec<u8>, DataSetError> {
    std::fs::read(path).map_err(|source| DataSetError::Unreadable { path: path.to_owned(), source })
}

/// Refuses a file that is known to be another set's.
fn check_owner(set: &'static Known, path: &Path, file: &[u8]) -> Result<(), DataSetError> {
    let md5 = u128::from_be_bytes(Md5::digest(file).into());
    match owner(md5) {
        Some(other) if other.name != set.name => {
            let path = path.to_owned();
            Err(DataSetError::OtherSet { path, found: other.name, expected: set.name })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::known::KNOWN;

    #[test]
    fn the_flag_comes_before_the_variable_and_the_variable_before_the_cache() {
        let flag = Some(Path::new("flag"));
        let (data, cache) = (|| Some("data".into()), || Some("/cache".into()));
        let home = || Some("/home/me".into());
        let path = |path: &str| Some(PathBuf::from(path));
        assert_eq!(choose(flag, data(), cache(), home()), path("flag"));
        assert_eq!(choose(None, data(), cache(), home()), path("data"));
        assert_eq!(choose(None, Some("".into()), cache(), home()), path("/cache/es-train"));
        assert_eq!(choose(None, None, None, home()), path("/home/me/.cache/es-train"));
        assert_eq!(choose(None, None, Some("x".into()), home()), path("/home/me/.cache/es-train"));
        assert_eq!(choose(None, None, None, None), None);
    }

    fn put(directory: &Path, names: &[&str]) {
        std::fs::create_dir_all(directory).unwrap();
        for name in names {
            std::fs::write(directory.join(name), name).unwrap();
        }
    }

    #[test]
    fn the_subdirectory_comes_first_and_is_taken_whole_or_not_at_all() {
        let place = tempfile::tempdir().unwrap();
        let own = place.path().join("mnist");
        let packed = KNOWN[0].files.each_ref().map(|file| file.name);
        put(place.path(), &packed);
        put(&own, &packed[..3]);
        let found = |place: &Path| Files::find(&KNOWN[0], Some(place)).map(|files| files.0);
        assert_eq!(found(place.path()).unwrap(), packed.map(|name| place.path().join(name)));
        put(&own, &["t10k-labels-idx1-ubyte"]);
        let files = found(place.path()).unwrap();
        assert_eq!(files[2..], [packed[2], "t10k-labels-idx1-ubyte"].map(|name| own.join(name)));
    }

    #[test]
    fn a_missing_file_is_told_with_all_places_and_with_what_downloads_it() {
        let place = tempfile::tempdir().unwrap();
        put(&place.path().join("mnist"), &["train-images-idx3-ubyte.gz"]);
        let error = Files::find(&KNOWN[0], Some(place.path())).err().unwrap().to_string();
        let root = place.path().display();
        for part in [
            format!(
                "{root}/mnist/train-labels-idx1-ubyte.gz, {root}/mnist/train-labels-idx1-ubyte,"
            ),
            format!("{root}/train-labels-idx1-ubyte.gz, {root}/train-labels-idx1-ubyte;"),
            format!("`es-train fetch mnist --data {root}`"),
            "ES_TRAIN_DATA".to_owned(),
        ] {
            assert!(error.contains(&part), "no `{part}` in: {error}");
        }
    }
}
