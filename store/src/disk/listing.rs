//! Listing a directory of a disk store, whatever else lies in it.
//!
//! The backend that reads would end a listing at the first file name it cannot express. People put files into
//! data directories, so here such a name is skipped: it is none of ours. Skipped are names that are not UTF-8 or
//! hold control characters, names that end with `#` and digits (no read could open them), links that lead
//! nowhere or back up, and the temporary files of this store. What vanishes during the listing is left out. A
//! directory that cannot be read is an error, because the objects in it would be missing silently. In the folders of
//! objects beside frames whatever has a name of theirs is one of them, also what vanished since, and whoever reads it is
//! told ([`misplaced`]).

use std::ffi::OsStr;
use std::fs::{self, Metadata};
use std::io;
use std::path::{Path as FsPath, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use futures::stream::{self, BoxStream, StreamExt};
use object_store::path::Path;
use object_store::{Error, ListResult, ObjectMeta, Result};

use super::directory::{Directory, TEMPORARIES, reachable};
use super::{failure, misplaced};
use crate::layout;

/// How many objects are looked up per trip to the blocking pool.
const PAGE_OBJECTS: usize = 1024;

/// What directly lies under `prefix`: objects and common prefixes, both in the order of their names.
pub(super) fn children(directory: &Directory, prefix: &Path) -> Result<ListResult> {
    let mut found = ListResult {
        common_prefixes: Vec::new(),
        objects: Vec::new(),
    };
    let Some(path) = locate(directory, prefix)? else {
        return Ok(found);
    };
    for entry in entries(&path, prefix)? {
        if entry.is_directory {
            found.common_prefixes.push(entry.location);
        } else if let Some(object) = entry.describe()? {
            found.objects.push(object);
        }
    }
    Ok(found)
}

/// All objects under `prefix`, at any depth, directory by directory in the order of their names; only those
/// after `offset` if there is one.
pub(super) fn objects(
    directory: Arc<Directory>,
    prefix: Option<&Path>,
    offset: Option<&Path>,
) -> BoxStream<'static, Result<ObjectMeta>> {
    let prefix = prefix.cloned().unwrap_or_default();
    let start = Walk {
        pending: Vec::new(),
        offset: offset.cloned(),
    };
    stream::once(async move {
        let walk = tokio::task::spawn_blocking(move || start.enter(&directory, &prefix)).await;
        match walk.map_err(Error::from).flatten() {
            Ok(walk) => pages(walk),
            Err(error) => stream::once(async { Err(error) }).boxed(),
        }
    })
    .flatten()
    .boxed()
}

fn pages(walk: Walk) -> BoxStream<'static, Result<ObjectMeta>> {
    stream::unfold(Some(walk), |walk| async {
        let mut walk = walk?;
        let page = tokio::task::spawn_blocking(move || {
            let page: Vec<_> = walk.by_ref().take(PAGE_OBJECTS).collect();
            (page, walk)
        });
        match page.await {
            Ok((page, _)) if page.is_empty() => None,
            Ok((page, walk)) => Some((page, Some(walk))),
            Err(error) => Some((vec![Err(error.into())], None)),
        }
    })
    .flat_map(stream::iter)
    .boxed()
}

/// A walk through directories: what is still to be visited, the next one last.
struct Walk {
    pending: Vec<Entry>,
    offset: Option<Path>,
}

impl Walk {
    fn enter(mut self, directory: &Directory, prefix: &Path) -> Result<Self> {
        if let Some(path) = locate(directory, prefix)? {
            self.descend(&path, prefix)?;
        }
        Ok(self)
    }

    fn descend(&mut self, path: &FsPath, location: &Path) -> Result<()> {
        let mut found = entries(path, location)?;
        found.reverse();
        self.pending.append(&mut found);
        Ok(())
    }

    fn visit(&mut self, entry: Entry) -> Result<Option<ObjectMeta>> {
        if entry.is_directory {
            if !entry.leads_back_up() {
                self.descend(&entry.path, &entry.location)?;
            }
            return Ok(None);
        }
        if self
            .offset
            .as_ref()
            .is_some_and(|offset| entry.location <= *offset)
        {
            return Ok(None);
        }
        entry.describe()
    }
}

impl Iterator for Walk {
    type Item = Result<ObjectMeta>;

    fn next(&mut self) -> Option<Self::Item> {
        while let Some(entry) = self.pending.pop() {
            if let Some(object) = self.visit(entry).transpose() {
                return Some(object);
            }
        }
        None
    }
}

/// A file or directory with a name that can be expressed.
struct Entry {
    path: PathBuf,
    location: Path,
    is_directory: bool,
    is_link: bool,
    /// It is no file, in the place of an object.
    is_misplaced: bool,
}

impl Entry {
    /// Whether this is a link to a directory that the walk is inside of.
    fn leads_back_up(&self) -> bool {
        if !self.is_link {
            return false;
        }
        let target = fs::canonicalize(&self.path);
        let here = self.path.parent().map(fs::canonicalize);
        match (target, here) {
            (Ok(target), Some(Ok(here))) => here.starts_with(target),
            _ => true,
        }
    }

    /// Of numbered objects there is always one, and each can be gone a moment later: to leave out all that were seen would
    /// say that there is none. Whoever reads one finds that it is gone, and looks again.
    fn vanished(self) -> Option<ObjectMeta> {
        layout::is_object_beside_frames(&self.location).then(|| ObjectMeta {
            location: self.location,
            last_modified: SystemTime::UNIX_EPOCH.into(),
            size: 0,
            e_tag: None,
            version: None,
        })
    }

    fn describe(self) -> Result<Option<ObjectMeta>> {
        let look = match self.is_misplaced {
            true => fs::symlink_metadata(&self.path),
            false => fs::metadata(&self.path),
        };
        match look {
            Ok(metadata) => Ok(Some(describe(self.location, &metadata).map_err(
                |error| failure::refused("read the time of", &self.path, error),
            )?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(self.vanished()),
            Err(error) => Err(failure::refused("read the size of", &self.path, error).into()),
        }
    }
}

/// No entity tag: objects of this store are told apart by their names alone.
pub(super) fn describe(location: Path, metadata: &Metadata) -> io::Result<ObjectMeta> {
    Ok(ObjectMeta {
        location,
        last_modified: metadata.modified()?.into(),
        size: metadata.len(),
        e_tag: None,
        version: None,
    })
}

/// Where the directory of a prefix is; none while the store has no root.
fn locate(directory: &Directory, prefix: &Path) -> Result<Option<PathBuf>> {
    match directory.open() {
        Ok(root) => {
            root.check_place()?;
            Ok(Some(root.path.join(prefix.as_ref())))
        }
        Err(Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The entries of one directory by name; none if there is no such directory.
fn entries(path: &FsPath, location: &Path) -> Result<Vec<Entry>> {
    let refused = |error| failure::refused("list directory", path, error);
    let listed = match fs::read_dir(path) {
        Ok(listed) => listed,
        Err(error) => {
            if let Some(error) = misplaced::folder(location, path) {
                return Err(error);
            }
            return match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Ok(Vec::new()),
                _ => Err(refused(error).into()),
            };
        }
    };
    let mut found = Vec::new();
    for entry in listed {
        let entry = entry.map_err(refused)?;
        let Some(child) = express(location, &entry.file_name()) else {
            continue;
        };
        let Ok(own) = entry.file_type() else {
            continue;
        };
        let path = entry.path();
        let kind = if own.is_symlink() {
            fs::metadata(&path)
                .map(|metadata| metadata.file_type())
                .ok()
        } else {
            Some(own)
        };
        let is_file = kind.is_some_and(|kind| kind.is_file());
        let is_folder = kind.is_some_and(|kind| kind.is_dir());
        let is_misplaced = match is_folder {
            true => layout::is_object_beside_frames(&child),
            false => {
                let is_beside = layout::is_beside_frames(location);
                !is_file && (is_beside || layout::is_object_beside_frames(&child))
            }
        };
        if is_folder || ((is_file || is_misplaced) && reachable(&child)) {
            found.push(Entry {
                path,
                location: child,
                is_directory: is_folder && !is_misplaced,
                is_link: own.is_symlink(),
                is_misplaced,
            });
        }
    }
    found.sort_by(|a, b| a.location.cmp(&b.location));
    Ok(found)
}

/// The location of a file in a directory, if it has one and it is not this store's own business.
fn express(directory: &Path, name: &OsStr) -> Option<Path> {
    let name = name.to_str()?;
    if directory.is_root() {
        if name == TEMPORARIES {
            return None;
        }
        return Path::parse(name).ok();
    }
    Path::parse(format!("{directory}/{name}")).ok()
}
