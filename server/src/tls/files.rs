//! The files that TLS needs, and what they make together.

use std::hash::{BuildHasher, RandomState};
use std::path::PathBuf;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::sign::{CertifiedKey, SigningKey, SingleCertAndKey};
use rustls::{InconsistentKeys, RootCertStore, ServerConfig};
use tokio::io::AsyncReadExt;

use super::key::Incomplete;
use crate::config::Config;

/// The longest file that is read, in bytes: some hundred certificates.
const FILE_BYTES: u64 = 1 << 20;
/// The protocol that is spoken inside.
const HTTP2: &[u8] = b"h2";

/// Why files cannot be used for TLS: which setting names them, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TlsError(String);

/// Where certificates and keys are, as PEM.
#[derive(Debug)]
pub(crate) struct Files {
    certificates: File,
    key: File,
    client_authority: Option<File>,
    /// What makes sums of contents this process's own.
    sums: RandomState,
}

#[derive(Debug)]
struct File {
    /// The setting that names it.
    setting: &'static str,
    path: PathBuf,
}

/// What stands in the files.
pub(crate) struct Contents {
    certificates: Vec<u8>,
    key: Vec<u8>,
    client_authority: Option<Vec<u8>>,
}

impl Files {
    /// Those that the settings name, if they name any.
    pub(crate) fn of(config: &Config) -> Option<Self> {
        let file = |setting, path: &str| File {
            setting,
            path: PathBuf::from(path),
        };
        let client_authority = &config.client_ca_file;
        (!config.cert_file.is_empty()).then(|| Self {
            certificates: file("cert_file", &config.cert_file),
            key: file("key_file", &config.key_file),
            client_authority: (!client_authority.is_empty())
                .then(|| file("client_ca_file", client_authority)),
            sums: RandomState::new(),
        })
    }

    pub(super) async fn read(&self) -> Result<Contents, TlsError> {
        Ok(Contents {
            certificates: self.certificates.read().await?,
            key: self.key.read().await?,
            client_authority: match &self.client_authority {
                Some(file) => Some(file.read().await?),
                None => None,
            },
        })
    }

    /// A number that tells contents apart without keeping a copy of the key.
    pub(super) fn stamp(&self, contents: &Contents) -> u64 {
        let Contents {
            certificates,
            key,
            client_authority,
        } = contents;
        self.sums.hash_one((certificates, key, client_authority))
    }

    /// What connections are encrypted with.
    pub(super) fn settings(&self, contents: &Contents) -> Result<Arc<ServerConfig>, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let certified = self.certified(contents)?;
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
        let builder = builder.with_safe_default_protocol_versions();
        let builder = builder.map_err(|error| self.key.wrong(error))?;
        let builder = match (&self.client_authority, &contents.client_authority) {
            (Some(file), Some(text)) => {
                let roots = Arc::new(file.authorities(text)?);
                let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider);
                let verifier = verifier.build().map_err(|error| file.wrong(error))?;
                builder.with_client_cert_verifier(verifier)
            }
            _ => builder.with_no_client_auth(),
        };
        let shown = Arc::new(SingleCertAndKey::from(certified));
        let mut settings = builder.with_cert_resolver(shown);
        settings.alpn_protocols = vec![HTTP2.to_vec()];
        Ok(Arc::new(settings))
    }

    /// The certificates with the key of the first of them.
    fn certified(&self, contents: &Contents) -> Result<CertifiedKey, TlsError> {
        let chain = self.certificates.certificates(&contents.certificates)?;
        let key = self.signing_key(&contents.key, &chain[0])?;
        let certified = CertifiedKey::new(chain, key);
        match certified.keys_match() {
            Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => {
                Ok(certified)
            }
            Err(rustls::Error::InconsistentKeys(_)) => Err(self.unfit()),
            Err(error) => Err(self.certificates.wrong(error)),
        }
    }

    /// The key, whose public part may be left out, since it is in the certificate, too.
    fn signing_key(
        &self,
        text: &[u8],
        certificate: &CertificateDer<'_>,
    ) -> Result<Arc<dyn SigningKey>, TlsError> {
        let key = self.key.key(text)?;
        let Some(incomplete) = Incomplete::of(&key) else {
            return ring::sign::any_supported_type(&key).map_err(|_| self.key.unusable());
        };
        let certificate = ParsedCertificate::try_from(certificate);
        let certificate = certificate.map_err(|error| self.certificates.wrong(error))?;
        let public_key = certificate.subject_public_key_info();
        let whole = incomplete.with(public_key.as_ref());
        let key = whole.and_then(|key| ring::sign::any_supported_type(&key).ok());
        key.ok_or_else(|| self.unfit())
    }

    fn unfit(&self) -> TlsError {
        TlsError(format!(
            "{} and {} do not belong together: the key is not that of the first certificate; name the key that the certificate was made for",
            self.certificates.named(),
            self.key.named(),
        ))
    }
}

impl File {
    fn named(&self) -> String {
        format!("{} {}", self.setting, self.path.display())
    }

    fn wrong(&self, problem: impl std::fmt::Display) -> TlsError {
        TlsError(format!("{}: {problem}", self.named()))
    }

    /// A key that the cryptography here refuses. What it says of it is of no use to anybody.
    fn unusable(&self) -> TlsError {
        let path = self.path.display();
        self.wrong(format_args!(
            "the key cannot be used: it must be RSA of 2048 to 8192 bits, on the curve P-256 or P-384, or Ed25519; \
             `openssl pkey -noout -text -in {path}` says what it is, and if it is one of these, `openssl pkey -in {path} \
             -out NEW` writes it in a form that can be used"
        ))
    }

    /// What is wrong with a line is not repeated: it may be one of a key.
    fn garbled(&self) -> TlsError {
        self.wrong(
            "is no whole PEM file: between a line with BEGIN and the same with END there is base64 and nothing else; copy the file \
             again",
        )
    }

    async fn read(&self) -> Result<Vec<u8>, TlsError> {
        let unread = |error| self.wrong(format_args!("cannot be read: {error}"));
        let file = tokio::fs::File::open(&self.path).await.map_err(unread)?;
        let mut bytes = Vec::new();
        let mut start = file.take(FILE_BYTES + 1);
        start.read_to_end(&mut bytes).await.map_err(unread)?;
        if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > FILE_BYTES {
            return Err(self.wrong(format_args!("is longer than {FILE_BYTES} bytes")));
        }
        Ok(bytes)
    }

    fn certificates(&self, text: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
        let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).collect();
        let all = all.map_err(|_| self.garbled())?;
        if all.is_empty() {
            let problem = "has no certificate in it: a PEM file with BEGIN CERTIFICATE is expected";
            return Err(self.wrong(problem));
        }
        Ok(all)
    }

    fn authorities(&self, text: &[u8]) -> Result<RootCertStore, TlsError> {
        let mut roots = RootCertStore::empty();
        for certificate in self.certificates(text)? {
            let added = roots.add(certificate);
            added.map_err(|error| self.wrong(error))?;
        }
        Ok(roots)
    }

    fn key(&self, text: &[u8]) -> Result<PrivateKeyDer<'static>, TlsError> {
        PrivateKeyDer::from_pem_slice(text).map_err(|error| match error {
            pem::Error::NoItemsFound => self.wrong(
                "has no private key in it: a PEM file with BEGIN PRIVATE KEY is expected, without a passphrase",
            ),
            _ => self.garbled(),
        })
    }
}
