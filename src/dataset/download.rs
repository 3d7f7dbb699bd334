//! Downloading the files of a published data set.
//!
//! A file is written as `FILE.part`, checked and renamed, so that a file of its proper name is
//! always whole. A part that an interrupted download left is gone on with. Mirrors are tried in
//! order, each of them again where a connection broke under way.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

pub use super::http::Reason;
use super::http::{self, LARGEST, STALL};
use super::known::{Known, KnownFile};
use super::part::{Part, md5_of};

/// How often one mirror is asked for a file, as long as each time brings something.
const ATTEMPTS: usize = 3;

/// Bytes that are read at once.
const BUFFER: usize = 1 << 16;

/// What happens on the way.
#[derive(Debug)]
pub enum Event<'a> {
    /// A file is there already, as it should be.
    Present {
        /// The file.
        path: &'a Path,
    },
    /// A file is there, but its checksum is wrong; it is downloaded again.
    Wrong {
        /// The file.
        path: &'a Path,
    },
    /// A mirror has begun to answer.
    Started {
        /// The file's address.
        url: &'a str,
        /// Bytes of it that are there already.
        arrived: u64,
        /// Bytes of all of it, if the mirror says so.
        total: Option<u64>,
    },
    /// Bytes have arrived.
    Arrived {
        /// Bytes that are there now.
        arrived: u64,
    },
    /// A mirror failed; something else will be tried.
    Failed {
        /// The file's address.
        url: &'a str,
        /// Why.
        reason: &'a Reason,
    },
    /// A file is whole.
    Done {
        /// The file.
        path: &'a Path,
        /// Its size in bytes.
        bytes: u64,
    },
}

/// Why a data set could not be downloaded.
#[derive(Debug, thiserror::Error)]
pub enum DownloadError {
    /// A file or the directory cannot be read or written.
    #[error(
        "{}: cannot write here: {source}; `--data DIR` names another directory for data sets",
        path.display()
    )]
    Place {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Another process downloads into this directory.
    #[error("{}: another `es-train fetch` is at work here; wait for it", .0.display())]
    Busy(PathBuf),
    /// No mirror had the file.
    #[error(
        "cannot download {file} of {set}:{}\nexpected one of these to have it: see to the network, \
         name another place with `--mirror URL`, or put the file into {} by other means",
        tried(reasons),
        directory.display()
    )]
    NoMirror {
        /// The data set.
        set: &'static str,
        /// The file.
        file: &'static str,
        /// The directory that it should be in.
        directory: PathBuf,
        /// Each address and what was wrong with it.
        reasons: Vec<(String, Reason)>,
    },
}

fn tried(reasons: &[(String, Reason)]) -> String {
    reasons.iter().map(|(url, reason)| format!("\n  {url}: {reason}")).collect()
}

/// Downloads those files of `set` that `directory` does not have yet, from `mirror` or else from
/// the set's own mirrors, and tells `watch` about it.
///
/// # Errors
/// If no mirror has a file, or it cannot be written.
pub fn download(
    set: &'static Known,
    directory: &Path,
    mirror: Option<&str>,
    watch: &mut dyn FnMut(Event),
) -> Result<(), DownloadError> {
    let place = |path: &Path| {
        let path = path.to_owned();
        move |source| DownloadError::Place { path, source }
    };
    std::fs::create_dir_all(directory).map_err(place(directory))?;
    let _lock = lock(directory)?;
    let client = http::client(STALL);
    for file in &set.files {
        let path = directory.join(file.name);
        match md5_of(&path).map_err(place(&path))? {
            Some(md5) if md5 == file.md5 => {
                watch(Event::Present { path: &path });
                continue;
            }
            Some(_) => watch(Event::Wrong { path: &path }),
            None => {}
        }
        let mut part = Part::open(&path).map_err(place(&path))?;
        let mut transfer = Transfer { client: &client, file, part: &mut part, watch };
        let mirrors: Vec<&str> = mirror.map_or(set.mirrors.to_vec(), |mirror| vec![mirror]);
        let reasons = transfer.try_all(&mirrors).map_err(place(&path))?;
        if let Some(reasons) = reasons {
            part.remove_if_empty().map_err(place(&path))?;
            let directory = directory.to_owned();
            return Err(DownloadError::NoMirror {
                set: set.name,
                file: file.name,
                directory,
                reasons,
            });
        }
        let bytes = part.len();
        part.finish(&path).map_err(place(&path))?;
        watch(Event::Done { path: &path, bytes });
    }
    Ok(())
}

/// Keeps other processes out of the directory, where its file system knows locks.
fn lock(directory: &Path) -> Result<Option<File>, DownloadError> {
    let Ok(file) = File::open(directory) else { return Ok(None) };
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => Err(DownloadError::Busy(directory.to_owned())),
        _ => Ok(Some(file)),
    }
}

/// One file on its way.
struct Transfer<'a> {
    client: &'a ureq::Agent,
    file: &'static KnownFile,
    part: &'a mut Part,
    watch: &'a mut dyn FnMut(Event),
}

/// Nothing, or why a mirror did not give the file.
type Tried = Result<(), Reason>;

impl Transfer<'_> {
    /// Tries the mirrors; if none has the file, what was wrong with each. An error is one of the
    /// disk, which no mirror can help.
    fn try_all(&mut self, mirrors: &[&str]) -> std::io::Result<Option<Vec<(String, Reason)>>> {
        // Killed between the last byte and the renaming.
        if self.part.md5() == self.file.md5 {
            return Ok(None);
        }
        let mut reasons = Vec::new();
        for mirror in mirrors {
            let url = format!("{}/{}", mirror.trim_end_matches('/'), self.file.name);
            let Err(reason) = self.try_one(&url)? else { return Ok(None) };
            reasons.push((url, reason));
        }
        Ok(Some(reasons))
    }

    fn try_one(&mut self, url: &str) -> std::io::Result<Tried> {
        let mut attempt = 1;
        loop {
            let before = self.part.len();
            let Err(reason) = self.try_once(url)? else { return Ok(Ok(())) };
            (self.watch)(Event::Failed { url, reason: &reason });
            let again = match reason {
                Reason::Broke { arrived, .. } => arrived > before,
                // The wrong bytes may be those that were there before.
                Reason::Checksum { .. } => before > 0,
                _ => false,
            };
            if !again || attempt == ATTEMPTS {
                return Ok(Err(reason));
            }
            attempt += 1;
        }
    }

    /// One request, and what it brings.
    fn try_once(&mut self, url: &str) -> std::io::Result<Tried> {
        let mut answer = match http::get(self.client, url, self.part.len()) {
            Ok(answer) => answer,
            Err(reason) => return Ok(Err(reason)),
        };
        if answer.start != self.part.len() {
            self.part.clear()?;
        }
        let total = answer.total;
        (self.watch)(Event::Started { url, arrived: self.part.len(), total });
        let mut buffer = vec![0; BUFFER];
        loop {
            let arrived = self.part.len();
            match answer.bytes.read(&mut buffer) {
                Ok(0) if total.is_some_and(|total| arrived < total) => {
                    let error = "it ended too early".to_owned();
                    return Ok(Err(Reason::Broke { arrived, error }));
                }
                Ok(0) => break,
                Ok(read) => self.part.add(&buffer[..read])?,
                Err(error) => {
                    return Ok(Err(Reason::Broke { arrived, error: error.to_string() }));
                }
            }
            let arrived = self.part.len();
            if arrived > LARGEST {
                self.part.clear()?;
                return Ok(Err(Reason::TooLarge));
            }
            (self.watch)(Event::Arrived { arrived });
        }
        let (found, expected) = (self.part.md5(), self.file.md5);
        if found != expected {
            self.part.clear()?;
            return Ok(Err(Reason::Checksum { found, expected }));
        }
        Ok(Ok(()))
    }
}
