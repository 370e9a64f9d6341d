//! Certificates that are made while a test runs, so that none expires.

use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    date_time_ymd,
};

/// An authority, and the folder with what it signed.
pub(crate) struct Authority {
    certificate: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its key, as PEM.
pub(crate) struct Signed {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        Self {
            certificate: params.self_signed(&key).unwrap().pem(),
            issuer: Issuer::new(params, key),
        }
    }

    /// The authority's own certificate, as PEM.
    pub(crate) fn certificate(&self) -> &str {
        &self.certificate
    }

    /// For a server on this machine.
    pub(crate) fn server(&self) -> Signed {
        let names = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
        self.sign(CertificateParams::new(names).unwrap())
    }

    /// For servers and nothing else.
    pub(crate) fn only_server(&self) -> Signed {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.sign(params)
    }

    /// For a client, long ago.
    pub(crate) fn expired_client(&self) -> Signed {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.not_before = date_time_ymd(2001, 1, 1);
        params.not_after = date_time_ymd(2002, 1, 1);
        self.sign(params)
    }

    /// For a client.
    pub(crate) fn client(&self) -> Signed {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(params)
    }

    fn sign(&self, params: CertificateParams) -> Signed {
        let key = KeyPair::generate().unwrap();
        let signed = params.signed_by(&key, &self.issuer).unwrap();
        Signed {
            certificate: signed.pem(),
            key: key.serialize_pem(),
        }
    }
}

impl Signed {
    /// Writes both files, and gives the flags that name them.
    pub(crate) fn write(&self, folder: &Path) -> [String; 2] {
        let path = |name: &str| folder.join(name);
        std::fs::write(path("server.pem"), &self.certificate).unwrap();
        std::fs::write(path("server.key"), &self.key).unwrap();
        [
            format!("--cert-file={}", path("server.pem").display()),
            format!("--key-file={}", path("server.key").display()),
        ]
    }
}

/// Writes a text into a folder, and gives its path.
pub(crate) fn file(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path
}
