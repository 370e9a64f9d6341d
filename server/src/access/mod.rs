//! Who may do what.
//!
//! With a secret in the settings, every call needs a token that was signed with it ([`token`], [`keys`]) and was not
//! called back ([`revoked`]). The [`gate`] looks at it before anything of a request but its headers is read, and puts the
//! [`Access`] that it gives among the request's extensions. A call without one has no rights at all, so that a way past
//! the gate would lead nowhere.
//!
//! A token of an admin gives all rights. Any other token gives rights on buckets, to read or to write, by patterns of
//! their names ([`pattern`]). They are looked at where the store is reached: a call has a [`CallerStore`] and no other,
//! whose methods say what they need and refuse what is not given ([`store`]), so that nothing can be read or written
//! past it. Which actions need more than that, or less, stands in a table ([`action`]).
//!
//! Without a secret, everybody may do everything, as may what the server does by itself.

pub(crate) mod action;
mod credentials;
mod frame;
mod gate;
mod handshake;
mod keys;
mod pattern;
mod revoked;
mod store;
mod token;

use std::sync::Arc;

use shoots_proto::{BucketName, ErrorKind, Note};

pub(crate) use self::frame::ReadableFrame;
pub(crate) use self::gate::Gate;
pub(crate) use self::handshake::greet;
pub(crate) use self::keys::{Keys, present};
pub(crate) use self::pattern::BucketPattern;
pub(crate) use self::store::CallerStore;
pub(crate) use self::token::{Grants, Wish, issue};
use crate::status::Failure;

/// What can be done to the frames of a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Right {
    Read,
    /// Whoever may write may read, too.
    Write,
}

/// Who asks, and what they may do. Without anything else, nothing.
#[derive(Debug, Clone, Default)]
pub(crate) struct Access(Arc<Holder>);

#[derive(Debug, Default)]
struct Holder {
    /// What the token calls its holder.
    subject: Option<String>,
    /// The token's own id.
    token: Option<String>,
    rights: Rights,
}

#[derive(Debug)]
enum Rights {
    All,
    Granted(Grants),
}

impl Default for Rights {
    fn default() -> Self {
        Self::Granted(Grants::default())
    }
}

impl Access {
    /// All rights of nobody in particular: the server's own, or everybody's where there are no tokens.
    pub(crate) fn everything() -> Self {
        Self::new(None, None, Rights::All)
    }

    fn new(subject: Option<String>, token: Option<String>, rights: Rights) -> Self {
        Self(Arc::new(Holder {
            subject,
            token,
            rights,
        }))
    }

    /// The id of the token, for the log, and by which it may be called back.
    pub(crate) fn token(&self) -> Option<&str> {
        self.0.token.as_deref()
    }

    /// What the token calls its holder, for the log.
    pub(crate) fn subject(&self) -> Option<&str> {
        self.0.subject.as_deref()
    }

    pub(crate) fn is_admin(&self) -> bool {
        matches!(self.0.rights, Rights::All)
    }

    pub(crate) fn may(&self, right: Right, bucket: Option<&BucketName>) -> bool {
        match &self.0.rights {
            Rights::All => true,
            Rights::Granted(grants) => grants.give(right, bucket),
        }
    }

    /// Refuses what is not given. Whether the bucket is there is not looked at, and so not told.
    pub(crate) fn require(&self, right: Right, bucket: Option<&BucketName>) -> Result<(), Failure> {
        if self.may(right, bucket) {
            return Ok(());
        }
        let bucket = match bucket {
            Some(bucket) => format!("bucket {bucket}"),
            None => "the default bucket".to_owned(),
        };
        let (verb, grant) = match right {
            Right::Read => ("read", "read or write"),
            Right::Write => ("write to", "write"),
        };
        let problem = format!(
            "{} may not {verb} {bucket}: it needs a token with a {grant} grant for it",
            self.named()
        );
        Err(Failure::new(ErrorKind::PermissionDeniedError, problem))
    }

    pub(crate) fn require_admin(&self, what: &str) -> Result<(), Failure> {
        if self.is_admin() {
            return Ok(());
        }
        let problem = format!("{} may not {what}: it needs an admin token", self.named());
        Err(Failure::new(ErrorKind::PermissionDeniedError, problem))
    }

    /// What is noted with a commit, in the name of whoever makes it. Only an admin may make it in another's.
    pub(crate) fn sign(&self, mut note: Note) -> Result<Note, Failure> {
        let Some(subject) = &self.0.subject else {
            return Ok(note);
        };
        match &note.author {
            Some(author) if author != subject && !self.is_admin() => {
                let problem = format!(
                    "{} may not commit as another author: leave `author` out, or use an admin token",
                    self.named()
                );
                return Err(Failure::new(ErrorKind::PermissionDeniedError, problem));
            }
            Some(_) => {}
            None => note.author = Some(subject.clone()),
        }
        Ok(note)
    }

    fn named(&self) -> String {
        match &self.0.subject {
            Some(subject) => format!("{subject:?}"),
            None => "this token".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests;
