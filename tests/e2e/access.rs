//! TLS and tokens, from the command line to the client, and between two servers.

use shoots_client::{ErrorKind, PutMode, ShootsClient, SyncOutcome};
use tempfile::TempDir;

use crate::certificates::{Authority, file};
use crate::rows::{get, put, rows};
use crate::server::{Server, binary, fresh_folder, run, until};

const SECRET: &str = "a secret for tests that is long enough";

/// A token of the binary.
async fn token(secret: &str, flags: &[&str]) -> String {
    issued(secret, flags).await.0
}

/// A token of the binary, and its id.
async fn issued(secret: &str, flags: &[&str]) -> (String, String) {
    let mut command = binary();
    command
        .env("SHOOTS_SECRET", secret)
        .arg("token")
        .args(flags);
    let (code, out, log) = run(&mut command).await;
    assert_eq!(code, Some(0), "{log}");
    assert!(!format!("{out}{log}").contains(secret));
    let (_, id) = log.split_once("the id of this token is ").unwrap();
    (out.trim_end().to_owned(), id.trim_end().to_owned())
}

/// What the binary says when it does not start.
async fn refused(flags: &[&str], variables: &[(&str, &str)]) -> String {
    let mut command = binary();
    command.args(["--port", "0", "--bucket-dir", "memory://"]);
    command.args(flags).envs(variables.iter().copied());
    let (code, out, log) = run(&mut command).await;
    assert_eq!((code, out.as_str()), (Some(1), ""), "{log}");
    assert!(!log.contains(SECRET), "{log}");
    log
}

async fn client(server: &Server, authority: &Authority, token: &str) -> ShootsClient {
    let client = ShootsClient::builder(server.url()).ca_certificate(authority.certificate());
    client.token(token).connect().await.unwrap()
}

/// An encrypted server that wants tokens.
async fn encrypted(authority: &Authority, files: &TempDir) -> Server {
    encrypted_with(authority, files, &[]).await
}

async fn encrypted_with(authority: &Authority, files: &TempDir, more: &[&str]) -> Server {
    let secret = file(files.path(), "secret", &format!("{SECRET}\n"));
    let mut flags = authority.server().write(files.path()).to_vec();
    flags.push(format!("--secret-file={}", secret.display()));
    flags.push("--compaction=false".to_owned());
    flags.extend(more.iter().map(|flag| (*flag).to_owned()));
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    Server::with(&flags).await
}

#[tokio::test]
async fn settings_that_would_not_protect_anything_start_no_server() {
    let files = TempDir::new().unwrap();
    let [cert, key] = Authority::new().server().write(files.path());
    let others = TempDir::new().unwrap();
    let [_, other_key] = Authority::new().server().write(others.path());
    let secret = [("SHOOTS_SECRET", SECRET)];
    let said = refused(&[], &secret).await;
    assert!(
        said.contains("--cert-file") && said.contains("--allow-insecure-auth"),
        "{said}"
    );
    assert!(refused(&[&cert], &[]).await.contains("--key-file"));
    assert!(refused(&[&key], &[]).await.contains("--cert-file"));
    assert!(
        refused(&[&cert, &other_key], &[])
            .await
            .contains("do not belong together")
    );
    let said = refused(&["--secret-file=/no/such/file", &cert, &key], &[]).await;
    assert!(said.contains("secret_file /no/such/file"), "{said}");
    let mut command = binary();
    command.env("SHOOTS_SECRET", SECRET).arg("--print-config");
    let (code, printed, _) = run(&mut command).await;
    assert_eq!(code, Some(0));
    assert!(
        printed.contains("\nsecret = ") && !printed.contains(SECRET),
        "{printed}"
    );
}

#[tokio::test]
async fn a_token_opens_what_it_says_and_only_over_tls() {
    let (authority, files) = (Authority::new(), TempDir::new().unwrap());
    let mut server = encrypted(&authority, &files).await;
    assert!(server.url().starts_with("grpc+tls://127.0.0.1:"));
    let admin = client(&server, &authority, &token(SECRET, &["--admin"]).await).await;
    put(&admin, "one/a", PutMode::Error, rows(0..3)).await;
    put(&admin, "two/a", PutMode::Error, rows(0..3)).await;

    let scoped = token(SECRET, &["--read=one", "--subject=ada"]).await;
    let ada = client(&server, &authority, &scoped).await;
    assert_eq!(get(&ada, "one/a").await.num_rows(), 3);
    let error = ada.get("two/a").collect_one().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDeniedError);
    assert!(
        error
            .to_string()
            .contains("\"ada\" may not read bucket two"),
        "{error}"
    );
    let error = ada.put("one/b").send_batch(rows(0..3)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDeniedError);
    let buckets = ada.buckets().await.unwrap();
    assert_eq!(buckets.len(), 1);
    assert_eq!(buckets[0].as_str(), "one");

    let another = token("another secret", &["--admin"]).await;
    let nobody = client(&server, &authority, &another).await;
    let error = nobody.ping().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnauthenticatedError);
    let expired = token(SECRET, &["--admin", "--expires=1s"]).await;
    let late = client(&server, &authority, &expired).await;
    until("the token has expired", async || late.ping().await.is_err()).await;

    let stranger =
        ShootsClient::builder(server.url()).ca_certificate(Authority::new().certificate());
    assert!(stranger.connect().await.is_err());
    let plain = format!("grpc://{}", server.address());
    let error = ShootsClient::builder(&plain)
        .token(&scoped)
        .connect()
        .await
        .unwrap_err();
    assert!(error.to_string().contains("unencrypted"), "{error}");
    assert!(!server.process().log().contains(&scoped));
    server.stop().await;
}

#[cfg(unix)]
#[tokio::test]
async fn a_bucket_that_cannot_be_looked_at_is_nobody_elses_trouble() {
    let (authority, files, folder) = (Authority::new(), TempDir::new().unwrap(), fresh_folder());
    let secret = file(files.path(), "secret", &format!("{SECRET}\n"));
    let mut flags = authority.server().write(files.path()).to_vec();
    flags.push(format!("--secret-file={}", secret.display()));
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let server = Server::on(&folder, &flags).await;
    let admin = client(&server, &authority, &token(SECRET, &["--admin"]).await).await;
    put(&admin, "open/f", PutMode::Error, rows(0..3)).await;
    let hidden = folder.path().join("hidden");
    std::fs::create_dir(&hidden).unwrap();
    std::os::unix::fs::symlink("_bucket.json", hidden.join("_bucket.json")).unwrap();
    let scoped = client(&server, &authority, &token(SECRET, &["--read=open"]).await).await;
    let buckets = scoped.buckets().await.unwrap();
    assert_eq!(
        buckets.iter().map(|b| b.as_str()).collect::<Vec<_>>(),
        ["open"]
    );
    let listed = scoped.list().all_buckets().send_all().await.unwrap();
    assert_eq!((listed.frames.len(), listed.unreadable.len()), (1, 0));
    let usage = scoped.usage().all_buckets().send().await.unwrap();
    assert_eq!(usage.buckets.len(), 1);
    let missing = scoped
        .sql("open/f", "SELECT * FROM open.nothing")
        .collect_one()
        .await;
    let told = missing.unwrap_err().to_string();
    assert!(!told.contains("hidden"), "{told}");
    let seen = admin.buckets().await.unwrap();
    assert_eq!(seen.len(), 2, "{seen:?}");
    admin.list().all_buckets().send_all().await.unwrap();
    server.stop().await;
}

#[tokio::test]
async fn a_token_that_is_called_back_opens_nothing_any_more() {
    let (authority, files) = (Authority::new(), TempDir::new().unwrap());
    let revoked = file(files.path(), "revoked", "");
    let setting = format!("--revoked-tokens-file={}", revoked.display());
    let mut server = encrypted_with(&authority, &files, &[&setting]).await;
    let (lost, id) = issued(SECRET, &["--admin", "--subject=ada"]).await;
    let (kept, _) = issued(SECRET, &["--admin", "--subject=ada"]).await;
    let (holder, other) = (
        client(&server, &authority, &lost).await,
        client(&server, &authority, &kept).await,
    );
    holder.ping().await.unwrap();
    std::fs::write(&revoked, format!("{id} # lost\n")).unwrap();
    until("the token is refused", async || {
        holder.ping().await.is_err()
    })
    .await;
    let error = holder.ping().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnauthenticatedError);
    assert!(error.to_string().contains("was called back"), "{error}");
    other.ping().await.unwrap();
    let log = server.process().log();
    assert!(log.contains(&format!("token=\"{id}\"")), "{log}");
    server.stop().await;
}

#[tokio::test]
async fn a_certificate_is_renewed_without_a_break() {
    let (before, after, files) = (Authority::new(), Authority::new(), TempDir::new().unwrap());
    let mut server = encrypted(&before, &files).await;
    let admin = token(SECRET, &["--admin"]).await;
    let old = client(&server, &before, &admin).await;
    std::fs::write(files.path().join("server.key"), after.server().key).unwrap();
    until("a warning", async || {
        server.process().log().contains("do not belong together")
    })
    .await;
    client(&server, &before, &admin).await.ping().await.unwrap();
    after.server().write(files.path());
    let trusts = async |authority: &Authority| {
        let client = ShootsClient::builder(server.url()).ca_certificate(authority.certificate());
        client.token(&admin).connect().await.is_ok()
    };
    until("the new certificate is shown", async || {
        trusts(&after).await
    })
    .await;
    assert!(!trusts(&before).await);
    old.ping().await.unwrap();
    server.stop().await;
}

#[tokio::test]
async fn a_server_may_ask_for_the_certificate_of_a_client() {
    let (authority, clients, files) = (Authority::new(), Authority::new(), TempDir::new().unwrap());
    let ca = file(files.path(), "clients.pem", clients.certificate());
    let [cert, key] = authority.server().write(files.path());
    let ca = format!("--client-ca-file={}", ca.display());
    let server = Server::with(&[&cert, &key, &ca]).await;
    let known = clients.client();
    let builder = || ShootsClient::builder(server.url()).ca_certificate(authority.certificate());
    let client = builder().identity(&known.certificate, &known.key).connect();
    client.await.unwrap().ping().await.unwrap();
    let unknown = Authority::new().client();
    for stranger in [
        builder(),
        builder().identity(&unknown.certificate, &unknown.key),
    ] {
        let refused = match stranger.connect().await {
            Ok(client) => client.ping().await.unwrap_err(),
            Err(error) => error,
        };
        // Where the alert is lost, because the server closed before the call was written, there is no more to be seen.
        let told = refused.to_string().contains("valid client certificate");
        assert_eq!(told, refused.asks_for_certificate(), "{refused}");
        assert!(told || refused.is_cut_off(), "{refused}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_change_of_a_client_whose_certificate_is_not_accepted_did_not_happen() {
    let (authority, clients, files) = (Authority::new(), Authority::new(), TempDir::new().unwrap());
    let ca = file(files.path(), "clients.pem", clients.certificate());
    let [cert, key] = authority.server().write(files.path());
    let ca = format!("--client-ca-file={}", ca.display());
    let server = Server::with(&[&cert, &key, &ca]).await;
    // One for servers, and one that has expired.
    for refused in [clients.only_server(), clients.expired_client()] {
        for _ in 0..5 {
            let client = ShootsClient::builder(server.url())
                .ca_certificate(authority.certificate())
                .identity(&refused.certificate, &refused.key);
            let error = match client.connect().await {
                Ok(client) => client.delete("one/a").await.unwrap_err(),
                Err(error) => error,
            };
            assert!(
                error.asks_for_certificate() || error.is_cut_off(),
                "{error}"
            );
            if error.asks_for_certificate() {
                assert_eq!(error.kind(), ErrorKind::UnavailableError, "{error}");
            }
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn a_certificate_goes_with_its_own_key_and_what_else_is_given_is_told_as_what_it_is() {
    let (one, another) = (Authority::new().client(), Authority::new().client());
    let (certificate, key) = (one.certificate.as_str(), one.key.as_str());
    for (first, second, said) in [
        (certificate, another.key.as_str(), "do not belong together"),
        (key, certificate, "are swapped"),
        (certificate, certificate, "key is a certificate"),
        (key, key, "certificate is a private key"),
        (certificate, "no pem", "key holds no private key"),
        ("no pem", key, "certificate holds no certificate"),
    ] {
        let builder = ShootsClient::builder("grpc+tls://localhost:1").identity(first, second);
        let error = builder.connect_lazy().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidRequestError);
        assert_eq!(error.setting(), Some("identity"));
        assert!(error.to_string().contains(said), "{error}");
    }
    let authority = ShootsClient::builder("grpc+tls://localhost:1").ca_certificate(key);
    let error = authority.connect_lazy().unwrap_err();
    assert_eq!(error.setting(), Some("ca_certificate"));
    assert!(error.to_string().contains("is a private key"), "{error}");
    let own = ShootsClient::builder("grpc+tls://localhost:1").identity(certificate, key);
    assert!(own.connect_lazy().is_ok());
}

#[tokio::test]
async fn histories_travel_between_servers_with_tls_and_a_scoped_token() {
    let (authority, files) = (Authority::new(), TempDir::new().unwrap());
    let office = encrypted(&authority, &files).await;
    let admin = client(&office, &authority, &token(SECRET, &["--admin"]).await).await;
    put(&admin, "one/a", PutMode::Error, rows(0..3)).await;
    put(&admin, "two/a", PutMode::Error, rows(0..3)).await;

    let ca = file(files.path(), "ca.pem", authority.certificate());
    let wrong_ca = file(files.path(), "wrong-ca.pem", Authority::new().certificate());
    let scoped = ["--read=one", "--write=mine", "--subject=laptop"];
    let mut command = binary();
    command.env("GOOD_TOKEN", token(SECRET, &scoped).await);
    command.env("BAD_TOKEN", token("another secret", &["--admin"]).await);
    let remote = |name: &str, token: &str, ca: &std::path::Path| {
        format!(
            "--remote={name}={};token=env:{token};ca=file:{}",
            office.url(),
            ca.display()
        )
    };
    let remotes = [
        remote("office", "GOOD_TOKEN", &ca),
        remote("stranger", "GOOD_TOKEN", &wrong_ca),
        remote("forger", "BAD_TOKEN", &ca),
        "--compaction=false".to_owned(),
    ];
    let remotes: Vec<&str> = remotes.iter().map(String::as_str).collect();
    let folder = fresh_folder();
    let location = folder.path().to_str().unwrap();
    let laptop = Server::of(command, location, &folder, &remotes).await;
    let here = laptop.client().await;

    let cloned = here
        .clone_frames("office")
        .frame("one/a")
        .send()
        .await
        .unwrap();
    assert_eq!(cloned.frames[0].outcome, SyncOutcome::Created);
    assert_eq!(get(&here, "one/a").await.num_rows(), 3);
    put(&here, "one/a", PutMode::Append, rows(3..5)).await;
    let error = here.push("office").frame("one/a").send().await.unwrap_err();
    assert!(
        error.to_string().contains("may not write to bucket one"),
        "{error}"
    );
    assert_eq!(error.kind(), ErrorKind::PermissionDeniedError);
    put(&here, "mine/b", PutMode::Error, rows(0..2)).await;
    here.push("office").frame("mine/b").send().await.unwrap();
    assert_eq!(get(&admin, "mine/b").await.num_rows(), 2);
    let error = here
        .clone_frames("office")
        .frame("two/a")
        .send()
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("may not read bucket two"),
        "{error}"
    );
    for (remote, said) in [("stranger", "certificate"), ("forger", "secret")] {
        let error = here.fetch(remote).frame("one/a").send().await.unwrap_err();
        assert!(error.to_string().contains(said), "{remote}: {error}");
    }
    let plain = format!("grpc://{}", office.address());
    let error = here
        .add_remote("plain", &plain)
        .token("env:SHOOTS_REMOTE_TOKEN")
        .send()
        .await;
    assert!(
        error
            .unwrap_err()
            .to_string()
            .contains("allow_insecure_token")
    );
    laptop.stop().await;
    office.stop().await;
}
