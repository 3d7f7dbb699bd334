//! Whether a process holds a run, without touching its lock: a lock taken only to look could be in the
//! way of a run that starts.

use std::path::Path;

/// Whether somebody holds the lock on this file; none where that cannot be known.
#[cfg(target_os = "linux")]
pub(super) fn is_held(file: &Path) -> Option<bool> {
    use std::os::unix::fs::MetadataExt;

    let metadata = file.metadata().ok()?;
    let (device, inode) = (metadata.dev(), metadata.ino());
    let major = ((device >> 8) & 0xfff) | ((device >> 32) & !0xfff);
    let minor = (device & 0xff) | ((device >> 12) & !0xff);
    let place = format!("{major:02x}:{minor:02x}:{inode}");
    let locks = std::fs::read_to_string("/proc/locks").ok()?;
    Some(locks.lines().any(|line| line.split_whitespace().any(|word| word == place)))
}

/// Not known here.
#[cfg(not(target_os = "linux"))]
pub(super) fn is_held(_file: &Path) -> Option<bool> {
    None
}
