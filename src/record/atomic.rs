//! Files that are either whole or not there.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::Path;

use tempfile::Builder;

use super::RecordError;

/// How the names of files that are not whole yet begin.
const PREFIX: &str = ".partial-";

/// Writes a file so that a reader, or a crash at any moment, finds either the old content or the
/// new one: into a temporary file beside it, synced, then renamed, then the directory synced.
///
/// # Errors
/// If the file system refuses.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), RecordError> {
    let directory = path.parent().unwrap_or(Path::new("."));
    write(directory, path, bytes).map_err(RecordError::io(path, "write"))
}

/// Removes what writers that were killed left in this directory. Only for who has it locked.
///
/// # Errors
/// If the file system refuses.
pub(super) fn remove_partial_files(directory: &Path) -> Result<(), RecordError> {
    let remove = || {
        for entry in std::fs::read_dir(directory)? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with(PREFIX) {
                std::fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    };
    remove().map_err(RecordError::io(directory, "clean up"))
}

fn write(directory: &Path, path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut builder = Builder::new();
    let builder = like_any_file(builder.prefix(PREFIX));
    let mut file = builder.tempfile_in(directory).map_err(without_name)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    sync_directory(directory)
}

/// The error without the name of the temporary file, which nobody has asked for.
fn without_name(error: std::io::Error) -> std::io::Error {
    match error.kind() {
        ErrorKind::NotFound => std::io::Error::other("there is no such directory"),
        kind => kind.into(),
    }
}

/// Temporary files are private to their owner; results are for everybody whom the umask allows.
#[cfg(unix)]
fn like_any_file<'a, 'b>(builder: &'a mut Builder<'b, 'b>) -> &'a mut Builder<'b, 'b> {
    use std::os::unix::fs::PermissionsExt;
    builder.permissions(std::fs::Permissions::from_mode(0o666))
}

#[cfg(not(unix))]
fn like_any_file<'a, 'b>(builder: &'a mut Builder<'b, 'b>) -> &'a mut Builder<'b, 'b> {
    builder
}

/// A rename is on disk only when its directory is.
fn sync_directory(directory: &Path) -> std::io::Result<()> {
    let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
    File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_cannot_be_written_is_named_and_not_the_temporary_one() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("no/such.csv");
        let error = write_atomically(&path, b"").unwrap_err().to_string();
        assert!(error.contains("such.csv: cannot write: there is no such directory"), "{error}");
        assert!(!error.contains(PREFIX), "{error}");
    }
}
