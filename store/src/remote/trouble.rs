//! What went wrong below, in words for people: away, refused, or something else.
//!
//! Providers answer a refusal with a page of XML that may repeat what was signed, a session's token included; only
//! its code is passed on.

use std::error::Error as StdError;
use std::io;

use object_store::Error as ObjectError;
use object_store::client::{HttpError, HttpErrorKind};
use rustix::io::Errno;

use crate::disk::NoFile;

/// Where machines of AWS, Google and Azure ask who they are; asked only when there are no other credentials.
const WHO_AM_I: [&str; 4] = [
    "/latest/api/token",
    "/latest/meta-data/",
    "/computeMetadata/",
    "/metadata/identity/",
];

/// Why a call to the storage failed, as far as it can be told.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// No answer came.
    Unreachable,
    /// Nothing gives us credentials, and the provider's own machines, which would be told some, are elsewhere.
    NoCredentials,
    /// It knows us and says no, or does not know us; with the provider's word for it.
    Refused(String),
    /// What was asked for, or the bucket, does not exist.
    Absent,
    /// There is no room left on the disk, or none left for this user.
    Full,
    Other,
}

/// Looks through an error and what caused it.
///
/// Reads and writes have errors of their own for a refusal, listings do not: theirs is told by the status in the
/// text, of which `object_store` has no other form.
pub(crate) fn of(error: &(dyn StdError + 'static)) -> Trouble {
    let causes = std::iter::successors(Some(error), |error: &&(dyn StdError + 'static)| {
        StdError::source(*error)
    });
    // This machine's file system refuses a path, and says so itself: credentials have no part in it.
    let by_the_system = causes.clone().any(|cause| cause.is::<io::Error>());
    let mut causes = causes;
    causes
        .find_map(|cause| {
            if let Some(http) = cause.downcast_ref::<HttpError>() {
                return is_away(http.kind()).then(|| unreachable(error));
            }
            if let Some(error) = cause.downcast_ref::<io::Error>() {
                return is_full(error.kind()).then_some(Trouble::Full);
            }
            let found = cause.downcast_ref::<ObjectError>()?;
            match (found, status(&found.to_string())) {
                (ObjectError::PermissionDenied { .. }, _) if by_the_system => None,
                (ObjectError::PermissionDenied { .. } | ObjectError::Unauthenticated { .. }, _)
                | (ObjectError::Generic { .. }, Some(401 | 403)) => {
                    Some(Trouble::Refused(code(&found.to_string())))
                }
                (ObjectError::NotFound { .. }, _) | (ObjectError::Generic { .. }, Some(404)) => {
                    Some(Trouble::Absent)
                }
                _ => None,
            }
        })
        .unwrap_or(Trouble::Other)
}

/// What this machine's file system says, without the path that it says it of.
pub(crate) fn of_the_system<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a io::Error> {
    let mut causes = std::iter::successors(Some(error), |error: &&'a (dyn StdError + 'static)| {
        StdError::source(*error)
    });
    causes.find_map(|cause| cause.downcast_ref())
}

/// Whether a file or folder is refused for what it is. Whatever else the system lacks (open files, memory) says
/// nothing about a single one.
pub(crate) fn is_of_one_file(error: &(dyn StdError + 'static)) -> bool {
    let mut causes = std::iter::successors(Some(error), |error: &&(dyn StdError + 'static)| {
        StdError::source(*error)
    });
    causes.any(|cause| {
        let Some(cause) = cause.downcast_ref::<io::Error>() else {
            return false;
        };
        let is_no_file = cause.get_ref().is_some_and(|inner| inner.is::<NoFile>());
        is_no_file
            || Errno::from_io_error(cause).is_some_and(|errno| {
                [
                    Errno::ACCESS,
                    Errno::PERM,
                    Errno::LOOP,
                    Errno::NOTDIR,
                    Errno::ISDIR,
                    Errno::NXIO,
                    Errno::IO,
                ]
                .contains(&errno)
            })
    })
}

fn unreachable(error: &dyn StdError) -> Trouble {
    let text = error.to_string();
    let asked_for_credentials = WHO_AM_I.iter().any(|path| text.contains(path));
    if asked_for_credentials {
        Trouble::NoCredentials
    } else {
        Trouble::Unreachable
    }
}

fn is_full(kind: io::ErrorKind) -> bool {
    matches!(
        kind,
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

/// The HTTP status that an error's text tells.
fn status(text: &str) -> Option<u16> {
    let (_, rest) = text.split_once("non-2xx status code: ")?;
    rest.get(..3)?.parse().ok()
}

fn is_away(kind: HttpErrorKind) -> bool {
    match kind {
        HttpErrorKind::Connect
        | HttpErrorKind::Request
        | HttpErrorKind::Timeout
        | HttpErrorKind::Interrupted => true,
        HttpErrorKind::Unknown | HttpErrorKind::Decode => false,
        _ => false,
    }
}

/// The provider's code in its answer, such as `InvalidAccessKeyId`.
fn code(answer: &str) -> String {
    let tagged = answer.split_once("<Code>").map(|(_, rest)| rest);
    let code: String = tagged
        .unwrap_or_default()
        .chars()
        .take_while(char::is_ascii_alphanumeric)
        .collect();
    match code.as_str() {
        "" => "it gives no reason".to_owned(),
        _ => code,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_code_of_a_refusal_is_passed_on() {
        let answer = "403 Forbidden: <Error><Code>SignatureDoesNotMatch</Code><X>hunter2</X>";
        for refused in [
            ObjectError::PermissionDenied {
                path: "p".into(),
                source: answer.into(),
            },
            ObjectError::Unauthenticated {
                path: "p".into(),
                source: answer.into(),
            },
        ] {
            assert_eq!(
                of(&refused),
                Trouble::Refused("SignatureDoesNotMatch".into())
            );
        }
        assert_eq!(code("nothing"), "it gives no reason");
    }

    #[test]
    fn a_file_that_the_system_refuses_says_nothing_of_others_and_too_many_open_files_do() {
        let of = |errno: Errno| {
            let source = io::Error::from(errno);
            is_of_one_file(&ObjectError::Generic {
                store: "s",
                source: Box::new(source),
            })
        };
        for errno in [Errno::ACCESS, Errno::LOOP, Errno::ISDIR, Errno::IO] {
            assert!(of(errno), "{errno}");
        }
        for errno in [Errno::MFILE, Errno::NFILE, Errno::NOMEM, Errno::NOSPC] {
            assert!(!of(errno), "{errno}");
        }
        assert!(is_of_one_file(&io::Error::other(NoFile)));
        assert!(!is_of_one_file(&io::Error::other("a range")));
    }

    #[test]
    fn what_the_file_system_says_is_not_about_credentials() {
        let of_kind = |kind: io::ErrorKind| ObjectError::PermissionDenied {
            path: "p".into(),
            source: Box::new(io::Error::from(kind)),
        };
        assert_eq!(
            of(&of_kind(io::ErrorKind::PermissionDenied)),
            Trouble::Other
        );
        let full = ObjectError::Generic {
            store: "Disk",
            source: Box::new(io::Error::from(io::ErrorKind::StorageFull)),
        };
        assert_eq!(of(&full), Trouble::Full);
    }

    #[test]
    fn an_answer_that_never_came_is_found_below_other_errors() {
        let error = |kind| ObjectError::Generic {
            store: "S3",
            source: Box::new(HttpError::new(kind, std::io::Error::other("cut"))),
        };
        assert_eq!(of(&error(HttpErrorKind::Connect)), Trouble::Unreachable);
        assert_eq!(of(&error(HttpErrorKind::Timeout)), Trouble::Unreachable);
        assert_eq!(of(&error(HttpErrorKind::Decode)), Trouble::Other);
    }
}
