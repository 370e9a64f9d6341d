//! Whether certificates and keys can be used, and which of them cannot: the transport that takes them names none.

use std::error::Error as StdError;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{Error as TlsError, InconsistentKeys};
use shoots_proto::ErrorKind;

use crate::Error;

/// Refuses an authority and an identity, a certificate and its key, that no connection can be made with. All are PEM.
pub(crate) fn check(
    authority: Option<&[u8]>,
    identity: Option<&(Vec<u8>, Vec<u8>)>,
) -> Result<(), Error> {
    if let Some(pem) = authority {
        certificates(pem).map_err(|problem| {
            refusal(
                "ca_certificate",
                &format!("the authority's certificate {problem}"),
            )
        })?;
    }
    if let Some((certificate, key)) = identity {
        pair(certificate, key).map_err(|problem| refusal("identity", &problem))?;
    }
    Ok(())
}

/// Whether a key is that of a certificate.
fn pair(certificate: &[u8], key: &[u8]) -> Result<(), String> {
    let read_key = PrivateKeyDer::from_pem_slice(key);
    let chain = match certificates(certificate) {
        Ok(chain) => chain,
        Err(_) if certificates(key).is_ok() && has_key(certificate) => {
            return Err(
                "the client's certificate and its key are swapped: the certificate comes first"
                    .to_owned(),
            );
        }
        Err(problem) => return Err(format!("the client's certificate {problem}")),
    };
    let key = match read_key {
        Ok(key) => key,
        Err(_) if certificates(key).is_ok() => {
            return Err("the client's key is a certificate: it takes the private key".to_owned());
        }
        Err(_) if is_locked(key) => {
            return Err(
                "the client's key has a passphrase: write it to a file without one".to_owned(),
            );
        }
        Err(_) => {
            return Err("the client's key holds no private key that can be read: it must be PEM (BEGIN PRIVATE KEY)".to_owned());
        }
    };
    let Some(provider) = CryptoProvider::get_default() else {
        return Ok(());
    };
    match CertifiedKey::from_der(chain, key, provider) {
        Ok(_) => Ok(()),
        Err(TlsError::InconsistentKeys(InconsistentKeys::KeyMismatch)) => Err(
            "the client's certificate and key do not belong together: the key is another certificate's"
                .to_owned(),
        ),
        Err(problem) => Err(format!(
            "the client's certificate and key cannot be used: {problem}"
        )),
    }
}

/// The certificates of a file, of which there must be one.
fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, &'static str> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) if has_key(pem) => Err("is a private key: it takes the certificate"),
        Ok(_) => Err("holds no certificate: it must be PEM (BEGIN CERTIFICATE)"),
        Err(_) => Err("cannot be read as PEM (BEGIN CERTIFICATE)"),
    }
}

fn has_key(pem: &[u8]) -> bool {
    PrivateKeyDer::from_pem_slice(pem).is_ok()
}

/// Whether it is a key that takes a passphrase (RFC 7468, section 11), which is read as no key.
fn is_locked(pem: &[u8]) -> bool {
    let begins = b"-----BEGIN ENCRYPTED PRIVATE KEY-----";
    pem.windows(begins.len()).any(|part| part == begins)
}

/// What is at the bottom of an error.
pub(crate) fn cause(error: &(dyn StdError + 'static)) -> String {
    let mut last = error;
    while let Some(next) = last.source() {
        last = next;
    }
    last.to_string()
}

fn refusal(setting: &'static str, problem: &str) -> Error {
    let problem = format!("the TLS settings cannot be used: {problem}");
    Error::new(ErrorKind::InvalidRequestError, problem).of_setting(setting)
}

#[cfg(test)]
mod tests {
    use rustls::crypto::ring;

    use super::*;

    #[test]
    fn what_holds_neither_certificate_nor_key_is_told_with_the_setting() {
        let _lost_a_race = ring::default_provider().install_default();
        let identity = (b"no pem".to_vec(), b"no pem".to_vec());
        for (refused, setting, said) in [
            (
                check(Some(b""), None),
                "ca_certificate",
                "authority's certificate holds no",
            ),
            (
                check(None, Some(&identity)),
                "identity",
                "client's certificate holds no",
            ),
        ] {
            let refusal = refused.unwrap_err();
            assert_eq!(refusal.kind(), ErrorKind::InvalidRequestError);
            assert_eq!(refusal.setting(), Some(setting));
            assert!(refusal.to_string().contains(said), "{refusal}");
        }
        assert!(check(None, None).is_ok());
    }

    #[test]
    fn a_key_with_a_passphrase_is_told_as_one() {
        assert!(is_locked(b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n"));
        assert!(!is_locked(b"-----BEGIN PRIVATE KEY-----\nAAAA\n"));
    }
}
