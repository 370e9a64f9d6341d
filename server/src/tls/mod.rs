//! Encrypted connections: whose certificate the server shows, and whose it asks for.
//!
//! The certificate and its key come from two files, and so does the authority that certificates of clients must come
//! from, if there is one ([`files`]); a key that some tools write by halves is made whole ([`key`]). The files are looked
//! at again and again: what changes in them holds for the next connection, and those that are there go on. New files that
//! cannot be used change nothing; a warning says so. [`secured`] makes a connection of what arrives at the port, with or
//! without encryption.

mod files;
mod key;
mod secured;

use std::fmt;
use std::sync::Arc;

use rustls::ServerConfig;
use tokio::sync::watch;

pub(crate) use self::files::Files;
pub use self::files::TlsError;
pub(crate) use self::secured::secured;
use crate::refresh::keep_looking;

/// What connections are encrypted with at the moment. Clones share it.
#[derive(Clone)]
pub(crate) struct Tls {
    files: Arc<Files>,
    current: watch::Sender<Current>,
}

#[derive(Clone)]
struct Current {
    settings: Arc<ServerConfig>,
    /// Tells the contents of the files from others.
    stamp: u64,
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// If they cannot be read, or cannot be used together.
    pub(crate) async fn open(files: Files) -> Result<Self, TlsError> {
        let contents = files.read().await?;
        let current = Current {
            settings: files.settings(&contents)?,
            stamp: files.stamp(&contents),
        };
        Ok(Self {
            files: Arc::new(files),
            current: watch::Sender::new(current),
        })
    }

    /// What the next connection is encrypted with.
    fn settings(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.current.borrow().settings)
    }

    /// Takes over what changes in the files, for as long as it is polled.
    pub(crate) async fn follow(self) {
        keep_looking("certificates", || self.look()).await;
    }

    /// Looks at the files once, and says whether they have changed.
    async fn look(&self) -> Result<bool, TlsError> {
        let contents = self.files.read().await?;
        let stamp = self.files.stamp(&contents);
        if stamp == self.current.borrow().stamp {
            return Ok(false);
        }
        let settings = self.files.settings(&contents)?;
        self.current.send_replace(Current { settings, stamp });
        Ok(true)
    }
}

/// Says nothing of keys.
impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("files", &self.files)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
