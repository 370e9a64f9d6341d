//! Encrypted connections, certificates and tokens: who is let in, and what they are told otherwise.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Output, Stdio};

use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use tempfile::TempDir;

use crate::place::{command, data, server_command};

/// A server that encrypts its connections and asks for tokens.
struct Secured {
    server: Child,
    url: String,
    folder: TempDir,
}

impl Secured {
    fn start() -> Self {
        Self::with(&[])
    }

    fn with(flags: &[&str]) -> Self {
        let folder = TempDir::new().unwrap();
        let mut authority = CertificateParams::new(Vec::new()).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority_key = KeyPair::generate().unwrap();
        let ca = authority.self_signed(&authority_key).unwrap();
        let issuer = Issuer::new(authority, authority_key);
        let key = KeyPair::generate().unwrap();
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let certificate = CertificateParams::new(names)
            .unwrap()
            .signed_by(&key, &issuer)
            .unwrap();
        let write =
            |name: &str, text: String| std::fs::write(folder.path().join(name), text).unwrap();
        write("ca.pem", ca.pem());
        write("server.pem", certificate.pem());
        write("server.key", key.serialize_pem());
        let client_key = KeyPair::generate().unwrap();
        let client = CertificateParams::new(Vec::new()).unwrap();
        let client = client.signed_by(&client_key, &issuer).unwrap();
        write("client.pem", client.pem());
        write("client.key", client_key.serialize_pem());
        write("secret", "a secret of thirty-two bytes, or more".to_owned());
        let others_key = KeyPair::generate().unwrap();
        let mut others = CertificateParams::new(Vec::new()).unwrap();
        others.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let others = others.signed_by(&others_key, &issuer).unwrap();
        write("others.pem", others.pem());
        write("others.key", others_key.serialize_pem());
        let mut server = server_command()
            .current_dir(folder.path())
            .args([
                "--port",
                "0",
                "--log-level",
                "error",
                "--bucket-dir",
                "store",
            ])
            .args([
                "--cert-file",
                "server.pem",
                "--key-file",
                "server.key",
                "--secret-file",
                "secret",
            ])
            .args(flags)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(server.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let url = line.trim().rsplit(' ').next().unwrap().to_owned();
        assert!(url.starts_with("grpc+tls://"), "{line}");
        Self {
            server,
            url,
            folder,
        }
    }

    /// A token that lets its holder do this.
    fn token(&self, rights: &[&str]) -> String {
        let mut issue = server_command();
        issue.current_dir(self.folder.path());
        let issued = issue
            .args(["token", "--secret-file", "secret"])
            .args(rights)
            .output()
            .unwrap();
        assert!(issued.status.success(), "{issued:?}");
        String::from_utf8(issued.stdout).unwrap().trim().to_owned()
    }

    fn command(&self) -> Command {
        let mut command = command();
        command.current_dir(self.folder.path());
        command.args(["--server", &self.url]);
        command
    }

    fn run(&self, token: &str, arguments: &[&str]) -> Output {
        let mut command = self.command();
        command.args(["--ca", "ca.pem"]).env("SHOOTS_TOKEN", token);
        command.args(arguments).output().unwrap()
    }
}

impl Drop for Secured {
    fn drop(&mut self) {
        let _ = self.server.kill().and_then(|()| self.server.wait());
    }
}

#[test]
fn a_token_over_tls_lets_in_as_far_as_it_goes() {
    let secured = Secured::start();
    let admin = secured.token(&["--admin"]);
    let put = secured.run(
        &admin,
        &[
            "put",
            &data("airlines.csv"),
            "--name",
            "nyc/airlines",
            "--quiet",
        ],
    );
    assert!(put.status.success(), "{put:?}");

    let reader = secured.token(&["--read", "nyc"]);
    assert!(
        secured
            .run(&reader, &["get", "nyc/airlines"])
            .status
            .success()
    );
    for arguments in [
        &["rm", "nyc/airlines"][..],
        &["put", &data("airlines.csv"), "--quiet"],
    ] {
        let refused = secured.run(&reader, arguments);
        assert_eq!(refused.status.code(), Some(9), "{refused:?}");
    }
    let wrong = secured.run("no.good.token", &["ls"]);
    assert_eq!(wrong.status.code(), Some(9), "{wrong:?}");
    assert!(
        !String::from_utf8(wrong.stderr)
            .unwrap()
            .contains("no.good.token")
    );
    let none = secured
        .command()
        .args(["--ca", "ca.pem", "ls"])
        .output()
        .unwrap();
    assert_eq!(none.status.code(), Some(9), "{none:?}");
    let stranger = secured.command().args(["ls"]).output().unwrap();
    assert_eq!(stranger.status.code(), Some(6), "{stranger:?}");
}

#[test]
fn a_server_that_asks_for_a_certificate_is_told_as_such_with_the_flags() {
    let secured = Secured::with(&["--client-ca-file", "ca.pem"]);
    let token = secured.token(&["--admin"]);
    let nameless = secured.run(&token, &["ls"]);
    assert_eq!(nameless.status.code(), Some(6), "{nameless:?}");
    let told = String::from_utf8(nameless.stderr).unwrap();
    assert!(told.contains("client certificate"), "{told}");
    assert!(told.contains("--certificate and --key"), "{told}");
    let known = ["--certificate", "client.pem", "--key", "client.key", "ls"];
    let known = secured.run(&token, &known);
    assert!(known.status.success(), "{known:?}");
}

#[test]
fn who_shows_a_certificate_that_is_not_accepted_is_told_where_the_reason_is() {
    let secured = Secured::with(&["--client-ca-file", "ca.pem"]);
    let token = secured.token(&["--admin"]);
    let airlines = data("airlines.csv");
    for _ in 0..4 {
        for call in [&["buckets"][..], &["put", &airlines, "--quiet"]] {
            let shown = ["--certificate", "others.pem", "--key", "others.key"];
            let refused = secured.run(&token, &[&shown[..], call].concat());
            let told = String::from_utf8(refused.stderr).unwrap();
            assert!(told.contains("expired, for another use"), "{told}");
            assert!(told.contains("its log has the reason"), "{told}");
            // What the server says is lost if it closes while the call is being written.
            if told.contains("fatal alert") {
                assert_eq!(refused.status.code(), Some(6), "{told}");
                assert!(!told.contains("unknown whether"), "{told}");
            }
        }
    }
}

#[test]
fn files_that_do_not_belong_together_are_named_with_what_is_wrong() {
    let secured = Secured::start();
    for (certificate, key, said) in [
        ("client.pem", "server.key", "do not belong together"),
        ("client.key", "client.pem", "are swapped"),
        ("secret", "client.key", "holds no certificate"),
    ] {
        let given = ["--certificate", certificate, "--key", key, "ls"];
        let refused = secured.run("none", &given);
        assert_eq!(refused.status.code(), Some(2), "{refused:?}");
        let told = String::from_utf8(refused.stderr).unwrap();
        assert!(told.contains(said), "{told}");
        let files = format!("--certificate {certificate}, --key {key}");
        assert!(told.contains(&files), "{told}");
    }
    let ca = secured
        .command()
        .args(["--ca", "client.key", "ls"])
        .output()
        .unwrap();
    assert_eq!(ca.status.code(), Some(2), "{ca:?}");
    let told = String::from_utf8(ca.stderr).unwrap();
    assert!(told.contains("--ca client.key"), "{told}");
}

#[test]
fn a_plain_address_of_a_server_that_encrypts_is_told_as_such() {
    let secured = Secured::start();
    let plain = secured.url.replace("grpc+tls://", "grpc://");
    let outcome = command().args(["--server", &plain, "ls"]).output().unwrap();
    assert_eq!(outcome.status.code(), Some(6), "{outcome:?}");
    let told = String::from_utf8(outcome.stderr).unwrap();
    assert!(told.contains("grpc+tls:// instead of grpc://"), "{told}");
}

#[test]
fn a_profile_knows_address_authority_and_token() {
    let secured = Secured::start();
    let token = secured.token(&["--admin"]);
    let file = secured.folder.path().join("token");
    std::fs::write(&file, format!("{token}\n")).unwrap();
    let config = secured.folder.path().join("config.toml");
    let ca = secured.folder.path().join("ca.pem");
    let text = format!(
        "default = \"lab\"\n[profiles.lab]\nserver = {:?}\nca = {:?}\ntoken = \"file:{}\"\n",
        secured.url,
        ca,
        file.display()
    );
    std::fs::write(&config, text).unwrap();
    let pinged = command()
        .env("SHOOTS_CLI_CONFIG", &config)
        .args(["ls"])
        .output()
        .unwrap();
    assert!(pinged.status.success(), "{pinged:?}");
}
