//! Certificates that change, files that cannot be used, and handshakes that go nowhere.

use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;

use super::*;
use crate::config::Config;

/// An authority, and what it signs.
struct Authority {
    certificate: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        Self {
            certificate: params.self_signed(&key).unwrap().pem(),
            issuer: Issuer::new(params, key),
        }
    }

    /// A certificate for localhost and its key.
    fn sign(&self) -> (String, String) {
        let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let key = KeyPair::generate().unwrap();
        let signed = params.signed_by(&key, &self.issuer).unwrap();
        (signed.pem(), key.serialize_pem())
    }

    /// Shakes hands with a server, and says whether it is trusted.
    async fn greet(&self, tcp: TcpStream) -> std::io::Result<()> {
        let mut roots = RootCertStore::empty();
        let own = CertificateDer::from_pem_slice(self.certificate.as_bytes()).unwrap();
        roots.add(own).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let config = config.with_safe_default_protocol_versions().unwrap();
        let mut config = config.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let connector = TlsConnector::from(Arc::new(config));
        let name = ServerName::try_from("localhost").unwrap();
        let mut tls = connector.connect(name, tcp).await?;
        assert_eq!(tls.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        tls.write_all(b"hello").await?;
        let mut answer = [0; 5];
        tls.read_exact(&mut answer).await?;
        assert_eq!(&answer, b"hello");
        Ok(())
    }
}

fn write(folder: &Path, (certificate, key): (&str, &str)) {
    std::fs::write(folder.join("cert"), certificate).unwrap();
    std::fs::write(folder.join("key"), key).unwrap();
}

fn files(folder: &Path, client_authority: &str) -> Files {
    let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let config = Config {
        cert_file: path("cert"),
        key_file: path("key"),
        client_ca_file: match client_authority {
            "" => String::new(),
            name => path(name),
        },
        ..Config::default()
    };
    Files::of(&config).unwrap()
}

/// A server that says what it hears, and its address.
async fn echo(tls: Tls) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (tcp, _) = listener.accept().await.unwrap();
            let tls = tls.clone();
            tokio::spawn(async move {
                let mut heard = [0; 5];
                if let Ok(mut connection) = secured(tcp, Some(&tls)).await
                    && connection.read_exact(&mut heard).await.is_ok()
                {
                    connection.write_all(&heard).await.unwrap();
                    connection.shutdown().await.unwrap();
                }
            });
        }
    });
    address
}

#[tokio::test]
async fn files_that_cannot_be_used_are_named_with_their_setting() {
    let (folder, authority) = (TempDir::new().unwrap(), Authority::new());
    let ((certificate, key), (_, other_key)) = (authority.sign(), authority.sign());
    let secret = "MIGHAgEAMBMGByqGSM49";
    let broken = format!("-----BEGIN PRIVATE KEY-----\n{secret}\n");
    let unusable = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----";
    let cut = certificate[..certificate.len() / 2].to_owned();
    let encrypted =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----";
    for (pair, expected) in [
        ((certificate.as_str(), ""), "key_file "),
        ((&certificate, &broken), "key_file "),
        ((&certificate, &broken), "copy the file again"),
        ((&cut, &key), "cert_file "),
        ((&cut, &key), "copy the file again"),
        ((&certificate, encrypted), "without a passphrase"),
        ((&certificate, unusable), "key_file "),
        ((&certificate, unusable), "openssl pkey "),
        ((&certificate, &other_key), "do not belong together"),
        (("nothing", &key), "has no certificate in it"),
        ((&key, &key), "has no certificate in it"),
        (
            (
                "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----",
                &key,
            ),
            "cert_file ",
        ),
    ] {
        write(folder.path(), pair);
        let error = Tls::open(files(folder.path(), "")).await.unwrap_err();
        let error = error.to_string();
        assert!(error.contains(expected), "{error}");
        assert!(!error.contains(secret) && !error.contains('['), "{error}");
    }
    write(folder.path(), (&certificate, &key));
    for (authorities, expected) in [
        (None, "client_ca_file "),
        (Some("nothing"), "has no certificate in it"),
    ] {
        if let Some(text) = authorities {
            std::fs::write(folder.path().join("ca"), text).unwrap();
        }
        let error = Tls::open(files(folder.path(), "ca")).await.unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
    std::fs::write(folder.path().join("ca"), &authority.certificate).unwrap();
    Tls::open(files(folder.path(), "ca")).await.unwrap();
}

#[tokio::test]
async fn changed_files_hold_for_the_next_connection_and_bad_ones_do_not() {
    let folder = TempDir::new().unwrap();
    let (before, after) = (Authority::new(), Authority::new());
    let (certificate, key) = before.sign();
    write(folder.path(), (&certificate, &key));
    let tls = Tls::open(files(folder.path(), "")).await.unwrap();
    let address = echo(tls.clone()).await;
    let connect = || async { TcpStream::connect(address).await.unwrap() };
    before.greet(connect().await).await.unwrap();
    assert!(after.greet(connect().await).await.is_err());

    let (next, next_key) = after.sign();
    write(folder.path(), (&next, &key));
    assert!(tls.look().await.is_err());
    before.greet(connect().await).await.unwrap();
    std::fs::remove_file(folder.path().join("key")).unwrap();
    assert!(tls.look().await.is_err());
    before.greet(connect().await).await.unwrap();

    write(folder.path(), (&next, &next_key));
    assert!(tls.look().await.unwrap());
    assert!(!tls.look().await.unwrap());
    after.greet(connect().await).await.unwrap();
    assert!(before.greet(connect().await).await.is_err());
}

#[tokio::test]
async fn who_stalls_in_a_handshake_holds_up_nobody() {
    let (folder, authority) = (TempDir::new().unwrap(), Authority::new());
    let (certificate, key) = authority.sign();
    write(folder.path(), (&certificate, &key));
    let tls = Tls::open(files(folder.path(), "")).await.unwrap();
    let address = echo(tls).await;
    let mut stalled = Vec::new();
    for _ in 0..50 {
        let mut tcp = TcpStream::connect(address).await.unwrap();
        tcp.write_all(&[0x16, 0x03]).await.unwrap();
        stalled.push(tcp);
    }
    let mut plain = TcpStream::connect(address).await.unwrap();
    plain.write_all(b"PRI * HTTP/2.0\r\n").await.unwrap();
    let tcp = TcpStream::connect(address).await.unwrap();
    authority.greet(tcp).await.unwrap();
    drop(stalled);
}
