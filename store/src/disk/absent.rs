//! Whether a file is known not to be there, without asking the disk.
//!
//! Whoever reads a frame looks first whether its log has a next entry, which it rarely has. The operating system
//! remembers names that it did not find, and can be asked what it remembers and nothing else
//! (`openat2` with `RESOLVE_CACHED`, Linux 5.12). The answer takes a microsecond or two and never waits for a disk, so it
//! needs no thread that may block. A file system whose directories others change too, such as NFS, does not answer so.

use std::path::Path;

/// Whether there is no such file. No says nothing: it may only not be known.
#[cfg(target_os = "linux")]
pub(super) fn is_known_absent(path: &Path) -> bool {
    use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat2};
    use rustix::io::Errno;

    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let found = openat2(CWD, path, flags, Mode::empty(), ResolveFlags::CACHED);
    matches!(found, Err(Errno::NOENT))
}

/// Other systems have no such question.
#[cfg(not(target_os = "linux"))]
pub(super) fn is_known_absent(_path: &Path) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    // Whether a name is remembered is the file system's choice, so what can be asked of it is that it never lies.

    #[test]
    fn a_file_that_is_made_is_not_absent_any_more() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("entry");
        assert!(!file.exists());
        let before = is_known_absent(&file);
        std::fs::write(&file, "1").expect("a file");
        assert!(!is_known_absent(&file), "before: {before}");
    }

    #[test]
    fn a_file_that_came_by_another_name_is_not_absent() {
        let folder = tempfile::tempdir().expect("a folder");
        let (made, linked) = (folder.path().join("made"), folder.path().join("linked"));
        assert!(!linked.exists());
        std::fs::write(&made, "1").expect("a file");
        std::fs::hard_link(&made, &linked).expect("a second name");
        assert!(!is_known_absent(&linked));
    }
}
