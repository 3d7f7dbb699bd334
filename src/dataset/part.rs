//! A file that is being downloaded: `FILE.part`, which becomes `FILE` once its checksum is right.

use std::fs::{File, OpenOptions};
use std::io::{Read, Result, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use md5::{Digest, Md5};

/// What of a file has arrived, in this download or in one that was interrupted.
pub(super) struct Part {
    path: PathBuf,
    file: File,
    len: u64,
    md5: Md5,
}

impl Part {
    /// The part of the file of this path; what is there is kept.
    pub fn open(whole: &Path) -> Result<Self> {
        let mut path = whole.as_os_str().to_owned();
        path.push(".part");
        let path = PathBuf::from(path);
        let mut options = OpenOptions::new();
        let mut file = options.read(true).write(true).create(true).truncate(false).open(&path)?;
        let (len, md5) = digest(&mut file)?;
        Ok(Part { path, file, len, md5 })
    }

    /// Bytes that there are.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// The MD5 of what there is.
    pub fn md5(&self) -> u128 {
        number(self.md5.clone())
    }

    /// Adds bytes at the end.
    pub fn add(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes)?;
        self.md5.update(bytes);
        self.len += bytes.len() as u64;
        Ok(())
    }

    /// Drops all that there is.
    pub fn clear(&mut self) -> Result<()> {
        self.file.set_len(0)?;
        self.file.seek(SeekFrom::Start(0))?;
        (self.len, self.md5) = (0, Md5::new());
        Ok(())
    }

    /// Makes it the whole file, in place of what was there.
    pub fn finish(self, whole: &Path) -> Result<()> {
        self.file.sync_all()?;
        std::fs::rename(&self.path, whole)
    }

    /// Removes it, if it is of no use to a later download.
    pub fn remove_if_empty(self) -> Result<()> {
        if self.len == 0 { std::fs::remove_file(&self.path) } else { Ok(()) }
    }
}

/// The MD5 of a file; none if there is no file.
pub(super) fn md5_of(path: &Path) -> Result<Option<u128>> {
    match File::open(path) {
        Ok(mut file) => Ok(Some(number(digest(&mut file)?.1))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The length of what is left to read of a file, and its MD5 so far.
fn digest(file: &mut File) -> Result<(u64, Md5)> {
    let (mut len, mut md5) = (0, Md5::new());
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok((len, md5)),
            read => {
                md5.update(&buffer[..read]);
                len += read as u64;
            }
        }
    }
}

fn number(md5: Md5) -> u128 {
    u128::from_be_bytes(md5.finalize().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_goes_on_where_it_was_left() {
        let place = tempfile::tempdir().unwrap();
        let whole = place.path().join("file.gz");
        let mut part = Part::open(&whole).unwrap();
        part.add(b"junk").unwrap();
        part.clear().unwrap();
        part.add(b"a").unwrap();
        drop(part);
        let mut part = Part::open(&whole).unwrap();
        part.add(b"bc").unwrap();
        // RFC 1321, A.5.
        assert_eq!((part.len(), part.md5()), (3, 0x9001_5098_3cd2_4fb0_d696_3f7d_28e1_7f72));
        assert_eq!(md5_of(&whole).unwrap(), None);
        let md5 = part.md5();
        part.finish(&whole).unwrap();
        assert_eq!(std::fs::read(&whole).unwrap(), b"abc");
        assert_eq!(md5_of(&whole).unwrap(), Some(md5));
        assert!(!place.path().join("file.gz.part").exists());
    }

    #[test]
    fn an_empty_part_leaves_nothing() {
        let place = tempfile::tempdir().unwrap();
        Part::open(&place.path().join("file")).unwrap().remove_if_empty().unwrap();
        assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 0);
    }
}
