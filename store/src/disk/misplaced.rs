//! What lies in the place of an object and is none: a directory, a pipe, a link that leads nowhere.
//!
//! Among frames such a thing is missed, because a log says what must be there. Of the objects beside frames (buckets'
//! markers, rules, remotes, snapshots) nothing says so but their names in a listing: to pass one over would mean that there is no rule.
//! So a listing of their folders has it, and to read it, as to list a folder in whose place something else lies, is this
//! error. It is looked at and never opened: a pipe would be waited for.

use std::fs;
use std::path::Path as FsPath;

use object_store::Error;
use object_store::path::Path;

use super::failure::STORE;
use crate::layout;

/// It is no object, and no folder of objects.
#[derive(Debug, thiserror::Error)]
#[error("{location}: {}", self.problem())]
pub(super) struct Misplaced {
    location: Path,
    found: String,
}

impl Misplaced {
    fn problem(&self) -> String {
        let found = &self.found;
        format!("{found} is in its place: bring it back from a copy, or remove what is there")
    }
}

/// That something else lies in the place of an object, if that is so and the object would be one beside frames.
pub(super) fn object(location: &Path, path: &FsPath) -> Option<Error> {
    told(location, path, |found| !found.is_file())
}

/// The same of a folder of such objects.
pub(super) fn folder(location: &Path, path: &FsPath) -> Option<Error> {
    told(location, path, |found| !found.is_dir())
}

fn told(location: &Path, path: &FsPath, is_other: impl Fn(&fs::Metadata) -> bool) -> Option<Error> {
    if !layout::is_beside_frames(location) {
        return None;
    }
    if fs::symlink_metadata(path).is_err() {
        // It is not there, or nobody can say because of what its folder is.
        let mut parts: Vec<_> = location.parts().collect();
        parts.pop();
        return folder(&Path::from_iter(parts), path.parent()?);
    }
    let found = match fs::metadata(path) {
        Ok(found) if !is_other(&found) => return None,
        Ok(found) if found.is_dir() => "a folder".to_owned(),
        Ok(found) if found.is_file() => "a file".to_owned(),
        Ok(_) => "a named pipe, a socket or a device".to_owned(),
        Err(error) => format!("a link that cannot be followed ({error})"),
    };
    let location = location.clone();
    Some(Error::Generic {
        store: STORE,
        source: Box::new(Misplaced { location, found }),
    })
}

/// Where something else lies than an object or a folder, and what, in words, if that is the error.
pub(crate) fn misplaced(error: &Error) -> Option<(&Path, String)> {
    let Error::Generic { source, .. } = error else {
        return None;
    };
    let misplaced: &Misplaced = source.downcast_ref()?;
    Some((&misplaced.location, misplaced.problem()))
}
