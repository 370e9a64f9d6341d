//! Rows in memory that is shared with the server: a file that both have mapped, of which nothing is copied.
//!
//! A client whose server is on the same machine asks for it by itself when it takes all rows of a frame, and takes them as
//! a stream where that is not possible. It holds a shared lock on the file for as long as any of the rows lives; that is
//! what keeps the server from removing it to make room.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow_flight::Ticket;
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use memmap2::Mmap;
use shoots_flight::file::read_messages;
use shoots_flight::{Decoder, decode};
use shoots_proto::{GetTicket, SharedFile, SharedRows};
use tokio::net::UnixStream;

use crate::connection::{Connection, answer, json, read_json};
use crate::get::{self, is_stale};
use crate::{Batches, Error};

/// Whether a connection asks for shared memory.
#[derive(Debug)]
pub(crate) struct Sharing(AtomicBool);

impl Sharing {
    /// Of a server that is on this machine, as far as its address tells, or of another one.
    pub(crate) fn new(possible: bool) -> Self {
        Self(AtomicBool::new(possible))
    }

    fn is_possible(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// The server's files cannot be opened, and it will be no other with the next.
    fn give_up(&self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

/// What becomes of a file that the server told.
enum Opened {
    Mapped(Bytes),
    /// It was removed in this moment.
    Gone,
    /// It is of another user, or in another container.
    OutOfReach,
}

/// What a server answers with.
enum Told {
    Rows(Batches),
    Place(SharedFile, bool),
}

/// All rows that a ticket stands for, from shared memory if that is possible.
pub(crate) async fn stream(connection: &Connection, ticket: GetTicket) -> Result<Batches, Error> {
    if connection.sharing.is_possible() && is_plain(&ticket) {
        let asked = GetTicket {
            shm: true,
            ..ticket.clone()
        };
        let (file, stale) = match ask(connection, json(&asked)?).await? {
            Told::Rows(rows) => return Ok(rows),
            Told::Place(file, stale) => (file, stale),
        };
        match open(file).await {
            Opened::Mapped(bytes) => return read(bytes, stale).await,
            Opened::Gone => {}
            Opened::OutOfReach => connection.sharing.give_up(),
        }
    }
    get::stream(connection, json(&ticket)?).await
}

/// Whether rows are asked for as they are stored.
fn is_plain(ticket: &GetTicket) -> bool {
    ticket.sql.is_none() && ticket.diff.is_none() && ticket.resample.is_none()
}

/// Sends a ticket that allows for shared memory.
async fn ask(connection: &Connection, ticket: Bytes) -> Result<Told, Error> {
    connection
        .open("get", || async {
            let ticket = Ticket {
                ticket: ticket.clone(),
            };
            let request = connection.request(ticket);
            let streaming = answer(connection.flight().do_get(request).await)?;
            let mut batches = decode(connection.messages("get", streaming));
            let schema = batches.read_schema().await?;
            let stale = is_stale(batches.app_metadata())?;
            let first = batches.try_next().await?;
            if first.is_none() && !batches.last_words().is_empty() {
                let rows: SharedRows = read_json("shared rows", batches.last_words())?;
                return Ok(Told::Place(rows.shm, stale));
            }
            let rows = stream::iter(first.map(Ok)).chain(batches);
            Ok(Told::Rows(Batches::new(schema, stale, rows)))
        })
        .await
}

/// Opens a file that a server told, and locks it.
async fn open(file: SharedFile) -> Opened {
    let Some(user) = own_user() else {
        return Opened::OutOfReach;
    };
    let opening = move || open_file(Path::new(&file.path), user);
    match tokio::task::spawn_blocking(opening).await {
        Ok(Ok(opened)) => opened,
        Ok(Err(_)) | Err(_) => Opened::OutOfReach,
    }
}

fn open_file(path: &Path, user: u32) -> io::Result<Opened> {
    // A link or a pipe in that place would be none of the server's.
    if !path.symlink_metadata().is_ok_and(|about| about.is_file()) && path.exists() {
        return Ok(Opened::OutOfReach);
    }
    let file = match File::open(path) {
        Ok(file) => file,
        // Where its folder is, it was there a moment ago.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let here = path.parent().is_some_and(Path::is_dir);
            return Ok(if here {
                Opened::Gone
            } else {
                Opened::OutOfReach
            });
        }
        Err(error) => return Err(error),
    };
    let about = file.metadata()?;
    if !about.is_file() || about.uid() != user {
        return Ok(Opened::OutOfReach);
    }
    file.lock_shared()?;
    if file.metadata()?.nlink() == 0 {
        return Ok(Opened::Gone);
    }
    let map = map(&file)?;
    Ok(Opened::Mapped(Bytes::from_owner(Mapped {
        map,
        _file: file,
    })))
}

/// A file in memory, and the lock that keeps it there.
struct Mapped {
    map: Mmap,
    _file: File,
}

impl AsRef<[u8]> for Mapped {
    fn as_ref(&self) -> &[u8] {
        &self.map
    }
}

#[expect(
    unsafe_code,
    reason = "only mapping a file lets its rows be used without a copy"
)]
fn map(file: &File) -> io::Result<Mmap> {
    // SAFETY: the bytes of a mapping must not change while it lives. The server writes a file before it gets its name,
    // never after, and nobody may open it for writing. That could only be changed, or the file be cut short, by its
    // owner, which is the user who runs this program (checked by the caller) and who could write to its memory anyway.
    unsafe { Mmap::map(file) }
}

/// The user that this program runs as: what the system says of whoever is at the other end of a socket, here itself.
fn own_user() -> Option<u32> {
    let (one, _other) = UnixStream::pair().ok()?;
    one.peer_cred().ok().map(|user| user.uid())
}

/// The rows of a file.
async fn read(file: Bytes, stale: bool) -> Result<Batches, Error> {
    let messages = read_messages(file).map(|message| message.map_err(Error::from));
    let mut batches: Decoder<_> = decode(stream::iter(messages));
    let schema = batches.read_schema().await?;
    Ok(Batches::new(schema, stale, batches))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn opened(path: &Path) -> &'static str {
        let user = std::fs::metadata("/proc/self").unwrap().uid();
        match open_file(path, user) {
            Ok(Opened::Mapped(_)) => "mapped",
            Ok(Opened::Gone) => "gone",
            Ok(Opened::OutOfReach) | Err(_) => "out of reach",
        }
    }

    #[tokio::test]
    async fn what_a_server_tells_is_opened_with_care() {
        let user = std::fs::metadata("/proc/self").unwrap().uid();
        assert_eq!(own_user(), Some(user));
        let folder = std::env::temp_dir().join(format!("shoots-client-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let (file, link) = (folder.join("file"), folder.join("link"));
        std::fs::write(&file, "rows").unwrap();
        symlink(&file, &link).unwrap();
        assert_eq!(opened(&file), "mapped");
        assert_eq!(opened(&link), "out of reach");
        assert_eq!(opened(&folder), "out of reach");
        assert_eq!(opened(&folder.join("none")), "gone");
        assert_eq!(opened(&folder.join("no/such")), "out of reach");
        let others = open_file(&file, user + 1);
        assert!(matches!(others, Ok(Opened::OutOfReach)));
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
