//! Only one process writes to a run directory, and it notices when the directory is no longer its
//! own.

use std::fs::{File, Metadata, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};

use super::RecordError;

/// The name of the file that is locked.
pub(super) const LOCK: &str = "lock";

/// A run directory that is this process's own until dropped.
pub(super) struct Lock {
    directory: PathBuf,
    file: File,
}

impl Lock {
    /// Locks a directory.
    ///
    /// # Errors
    /// If another process has it, or the file system refuses.
    pub fn take(directory: &Path) -> Result<Self, RecordError> {
        let name = directory.join(LOCK);
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(&name);
        let file = file.map_err(RecordError::io(&name, "open"))?;
        match file.try_lock() {
            Ok(()) => Ok(Lock { directory: directory.to_owned(), file }),
            Err(TryLockError::WouldBlock) => Err(RecordError::Locked(directory.to_owned())),
            Err(TryLockError::Error(error)) => Err(RecordError::io(&name, "lock")(error)),
        }
    }

    /// Checks that the directory of this name is still the one that was locked. Files that are open
    /// can be written to long after their directory is gone, and nobody would ever read them; and
    /// where another run has the name by now, it must not be written to.
    ///
    /// # Errors
    /// If it is gone or another one.
    pub fn check(&self) -> Result<(), RecordError> {
        let found = std::fs::metadata(self.directory.join(LOCK));
        match (found, self.file.metadata()) {
            (Ok(found), Ok(own)) if is_same(&found, &own) => Ok(()),
            _ => Err(RecordError::Vanished(self.directory.clone())),
        }
    }
}

#[cfg(unix)]
fn is_same(one: &Metadata, other: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

#[cfg(not(unix))]
fn is_same(_: &Metadata, _: &Metadata) -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_that_is_gone_or_another_one_is_noticed() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("run");
        std::fs::create_dir(&path).unwrap();
        let lock = Lock::take(&path).unwrap();
        assert!(lock.check().is_ok());
        std::fs::rename(&path, parent.path().join("elsewhere")).unwrap();
        assert!(matches!(lock.check(), Err(RecordError::Vanished(_))));
        std::fs::create_dir(&path).unwrap();
        let other = Lock::take(&path).unwrap();
        assert!(matches!(lock.check(), Err(RecordError::Vanished(_))));
        assert!(other.check().is_ok());
    }
}
