//! Whether a folder that somebody named is a store, or is to become one.
//!
//! A name with a typing error leads to no folder, or to one with other things. Neither may look like a store without frames,
//! nor become one.

use std::path::{Path, PathBuf};

use shoots_store::{Found, StoreFolder};

use crate::failure::{Failure, code};

/// Refuses a folder that is no store. One that is not there may become one if something is to be kept in it: then it is
/// new.
pub(super) fn check(location: &str, begins: bool) -> Result<Option<NewFolder>, Failure> {
    let folder =
        StoreFolder::of(location).map_err(|error| Failure::usage(format!("the store: {error}")))?;
    let Some(folder) = folder else {
        return Ok(None);
    };
    let path = folder.path();
    let shown = path.display();
    let unreadable = |error| Failure::usage(format!("cannot open the store {shown}: {error}"));
    match folder.look().map_err(unreadable)? {
        Found::Store | Found::Empty => Ok(None),
        Found::Nothing if begins => NewFolder::make(path).map(Some),
        Found::Nothing => Err(Failure::with(
            code::NOT_FOUND,
            format!("there is no store {shown}; `put`, `import` and `remote add` begin one"),
        )),
        Found::Other(name) => Err(Failure::usage(format!(
            "{shown} is no store: it holds other things, such as {name:?}; name the folder of a store, or one that is \
             new or empty"
        ))),
    }
}

/// A folder that was made for a store, and goes away if nothing is put into it.
pub(super) struct NewFolder(PathBuf);

impl NewFolder {
    fn make(path: &Path) -> Result<Self, Failure> {
        let shown = path.display();
        std::fs::create_dir(path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => Failure::with(
                code::NOT_FOUND,
                format!(
                    "there is no store {shown}, and no folder to begin it in; check the path, or make {} first",
                    path.parent().unwrap_or(path).display()
                ),
            ),
            _ => Failure::here(format!("cannot make the store {shown}: {error}")),
        })?;
        Ok(Self(path.to_owned()))
    }

    /// Where it is, if something is in it.
    pub(super) fn kept(self) -> Option<String> {
        let mut entries = std::fs::read_dir(&self.0).ok()?;
        entries.next().map(|_| self.0.display().to_string())
    }
}

impl Drop for NewFolder {
    fn drop(&mut self) {
        // A folder that holds something stays.
        let _ = std::fs::remove_dir(&self.0);
    }
}
