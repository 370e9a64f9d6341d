//! What a reference leads to: a token or a certificate, read when it is needed and never told.

use shoots_proto::SecretRef;
use shoots_store::{Error, ErrorKind, Result};
use tokio::io::AsyncReadExt;

/// The longest token or chain of certificates, in bytes.
const MAX_BYTES: u64 = 256 << 10;

/// What a reference leads to.
pub(super) async fn read(what: &str, reference: &SecretRef) -> Result<Vec<u8>> {
    let refused = |problem: String| {
        let problem = format!("{what}: {reference} {problem}");
        Error::elsewhere(ErrorKind::InvalidRequest, problem)
    };
    let bytes = match reference {
        SecretRef::Variable(name) => match std::env::var(name) {
            Ok(value) => value.into_bytes(),
            Err(_) => return Err(refused("is not set; set it, or name another".to_owned())),
        },
        SecretRef::File(path) => {
            let unread = |error: std::io::Error| refused(format!("cannot be read: {error}"));
            let mut bytes = Vec::new();
            let file = tokio::fs::File::open(path).await.map_err(unread)?;
            let mut start = file.take(MAX_BYTES + 1);
            start.read_to_end(&mut bytes).await.map_err(unread)?;
            bytes
        }
    };
    if bytes.is_empty() {
        return Err(refused("is empty".to_owned()));
    }
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > MAX_BYTES {
        return Err(refused(format!("is longer than {MAX_BYTES} bytes")));
    }
    Ok(bytes)
}

/// A token as it is sent: without the line break that editors put at the end of files.
pub(super) fn text(token: Vec<u8>) -> Result<String> {
    let text = String::from_utf8(token);
    let text = text.map_err(|_| {
        let problem = "token: what it refers to is not text";
        Error::elsewhere(ErrorKind::InvalidRequest, problem)
    })?;
    Ok(text.trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_reference_that_leads_nowhere_is_named() {
        for (reference, expected) in [
            (
                SecretRef::Variable("SHOOTS_NO_SUCH_TOKEN".to_owned()),
                "token: env:SHOOTS_NO_SUCH_TOKEN is not set",
            ),
            (
                SecretRef::File("/no/such/token".to_owned()),
                "token: file:/no/such/token cannot be read",
            ),
        ] {
            let error = read("token", &reference).await.unwrap_err();
            assert!(error.to_string().starts_with(expected), "{error}");
            assert_eq!(error.kind(), ErrorKind::InvalidRequest);
        }
    }

    #[tokio::test]
    async fn what_follows_the_token_in_a_file_is_not_sent() {
        let path = std::env::temp_dir().join(format!("shoots-token-{}", std::process::id()));
        std::fs::write(&path, "hunter2\n").unwrap();
        let reference = SecretRef::File(path.to_str().unwrap().to_owned());
        let token = read("token", &reference).await.unwrap();
        assert_eq!(text(token).unwrap(), "hunter2");
        std::fs::write(&path, "").unwrap();
        assert!(read("token", &reference).await.is_err());
        std::fs::remove_file(&path).unwrap();
    }
}
