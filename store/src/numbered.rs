//! Small objects that are numbered like a log, `<folder>/<number>.json`, of which the newest counts.
//!
//! So two who change one at the same time do not overwrite each other. The one before the newest stays: whoever lists the
//! folder during a change may not see the new one, and finds that.

use object_store::path::Path;

use crate::error::{Cause, Error, ErrorKind, Result};
use crate::objects::{Created, Objects};
use crate::sealed::Sealed;

/// How often others may change the object while it is read.
const MAX_ATTEMPTS: u32 = 20;

/// The newest object of a folder.
#[derive(Debug)]
pub(crate) struct Newest<T> {
    pub(crate) number: u64,
    /// What it says, or why it cannot be read.
    pub(crate) content: Result<T>,
}

/// The newest object of a folder, if there is any.
pub(crate) async fn newest<T: Sealed>(
    objects: &Objects,
    folder: &Path,
) -> Result<Option<Newest<T>>> {
    for _ in 0..MAX_ATTEMPTS {
        let listed = list(objects, folder).await?;
        let Some((number, path)) = listed.into_iter().max() else {
            return Ok(None);
        };
        let content = match objects.read(&path).await {
            Ok(Some(bytes)) => T::unseal(&path, &bytes),
            // What is gone since was not the newest any more.
            Ok(None) => continue,
            Err(error) if error.kind() == ErrorKind::Damaged => Err(error),
            Err(error) => return Err(error),
        };
        return Ok(Some(Newest { number, content }));
    }
    let problem = format!("others change {folder} again and again: try again");
    Err(Cause::Conflict(problem).into())
}

/// Creates the object after the one with this number (0: there is none), unless others were first.
pub(crate) async fn create_after<T: Sealed>(
    objects: &Objects,
    folder: &Path,
    number: u64,
    content: impl FnOnce(String) -> T,
) -> Result<Created> {
    let next = path(folder, number + 1)?;
    let bytes = content(next.to_string()).seal()?;
    let created = objects.create(&next, bytes).await?;
    if created == Created::Yes {
        for (older, path) in list(objects, folder).await? {
            // A folder in the place of one stays, and does not count any more.
            if older < number
                && let Err(error) = objects.remove(&path).await
            {
                tracing::warn!(%error, "what does not count any more is left");
            }
        }
    }
    Ok(created)
}

fn path(folder: &Path, number: u64) -> Result<Path> {
    let path = Path::parse(format!("{folder}/{number:020}.json"));
    path.map_err(|error| Error::damaged(folder, error))
}

/// The objects of a folder with their numbers. After the largest number there could be no other.
async fn list(objects: &Objects, folder: &Path) -> Result<Vec<(u64, Path)>> {
    let listed = objects.list_all(folder).await?.into_iter();
    let numbered = listed.filter_map(|object| {
        let number = object.location.filename()?.strip_suffix(".json")?.parse();
        Some((number.ok()?, object.location))
    });
    Ok(numbered.filter(|(number, _)| *number < u64::MAX).collect())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use serde::{Deserialize, Serialize};

    use super::*;
    use crate::store::Store;

    #[derive(Debug, Serialize, Deserialize)]
    struct Number(u64);

    #[derive(Debug, Serialize, Deserialize)]
    struct Note {
        number: Number,
    }

    impl Sealed for Note {
        const KIND: &'static str = "note";
        const FORMAT: u32 = 1;

        fn belongs_to(&self, object: &Path) -> bool {
            path(&folder(), self.number.0).unwrap() == *object
        }
    }

    fn folder() -> Path {
        Path::from("x/_settings")
    }

    fn note(number: u64) -> Note {
        Note {
            number: Number(number),
        }
    }

    async fn on_disk() -> (tempfile::TempDir, Store) {
        let place = tempfile::tempdir().unwrap();
        let store = Store::open(place.path().to_str().unwrap()).await.unwrap();
        (place, store)
    }

    #[tokio::test]
    async fn the_newest_counts_and_the_one_before_it_stays() {
        let (_place, store) = on_disk().await;
        let objects = &store.shared().objects;
        let folder = folder();
        assert!(newest::<Note>(objects, &folder).await.unwrap().is_none());
        for number in 0..5 {
            let created = create_after(objects, &folder, number, |_| note(number + 1));
            assert_eq!(created.await.unwrap(), Created::Yes);
            let again = create_after(objects, &folder, number, |_| note(number + 1));
            assert_ne!(again.await.unwrap(), Created::Yes);
            let found: Newest<Note> = newest(objects, &folder).await.unwrap().unwrap();
            assert_eq!(found.number, number + 1);
            assert_eq!(found.content.unwrap().number.0, number + 1);
        }
        let mut left = list(objects, &folder).await.unwrap();
        left.sort();
        assert_eq!(left.iter().map(|(n, _)| *n).collect::<Vec<_>>(), [4, 5]);
        let largest = Path::parse(format!("{}/{}.json", folder, u64::MAX)).unwrap();
        objects.create(&largest, "x".into()).await.unwrap();
        let found: Newest<Note> = newest(objects, &folder).await.unwrap().unwrap();
        assert_eq!(found.number, 5);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 3)]
    async fn whoever_looks_while_it_changes_always_finds_one() {
        let (_place, store) = on_disk().await;
        let objects = store.shared().objects.clone();
        create_after(&objects, &folder(), 0, |_| note(1))
            .await
            .unwrap();
        let over = Arc::new(AtomicBool::new(false));
        let readers: Vec<_> = (0..2)
            .map(|_| {
                let (objects, over) = (objects.clone(), Arc::clone(&over));
                tokio::spawn(async move {
                    let mut last = 0;
                    while !over.load(Ordering::Relaxed) {
                        let found = newest::<Note>(&objects, &folder()).await.unwrap();
                        let found = found.unwrap();
                        found.content.unwrap();
                        last = last.max(found.number);
                    }
                    last
                })
            })
            .collect();
        for number in 1..300 {
            let folder = folder();
            let created = create_after(&objects, &folder, number, |_| note(number + 1));
            assert_eq!(created.await.unwrap(), Created::Yes);
        }
        over.store(true, Ordering::Relaxed);
        for reader in readers {
            assert!(reader.await.unwrap() > 0);
        }
    }
}
