//! Remotes that are encrypted and ask who comes: both ends show certificates, and a token is found where the remote says.

use std::path::Path;

use shoots_client::{Error, ErrorKind, PutMode, ShootsClient, SyncOutcome, SyncResult};
use tempfile::TempDir;

use super::{QUIET, objects, outcome};
use crate::certificates::{Authority, Signed, file};
use crate::refusal::assert_refused;
use crate::rows::{get, put, rows};
use crate::server::{Server, binary, run};

const SECRET: &str = "a secret for tests that is long enough";

/// A token of an admin.
async fn token(secret: &str) -> String {
    granting(secret, &["--admin"]).await
}

/// A token that gives these rights.
async fn granting(secret: &str, rights: &[&str]) -> String {
    let mut command = binary();
    command.env("SHOOTS_SECRET", secret).arg("token");
    let (code, out, log) = run(command.args(rights)).await;
    assert_eq!(code, Some(0), "{log}");
    out.trim_end().to_owned()
}

/// What a remote says of where its certificate and the key of that are.
fn shown(folder: &Path, name: &str, signed: &Signed) -> String {
    let certificate = file(folder, &format!("{name}.pem"), &signed.certificate);
    let key = file(folder, &format!("{name}.key"), &signed.key);
    format!(
        "certificate=file:{};key=file:{}",
        certificate.display(),
        key.display()
    )
}

async fn pull(client: &ShootsClient, remote: &str) -> Result<SyncResult, Error> {
    client.pull(remote).frame("a").send().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_remote_is_let_in_by_the_certificate_and_the_token_that_it_refers_to_as_they_are_then() {
    let (authority, files) = (Authority::new(), TempDir::new().unwrap());
    let folder = files.path();
    let ca = file(folder, "ca.pem", authority.certificate());
    let secret = file(folder, "secret", SECRET);
    let mut flags = authority.server().write(folder).to_vec();
    flags.push(format!("--client-ca-file={}", ca.display()));
    flags.push(format!("--secret-file={}", secret.display()));
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let office = Server::with(&[QUIET, &flags].concat()).await;
    let own = authority.client();
    let there = ShootsClient::builder(office.url())
        .ca_certificate(authority.certificate())
        .identity(&own.certificate, &own.key)
        .token(token(SECRET).await);
    let there = there.connect().await.unwrap();
    put(&there, "a", PutMode::Append, rows(0..3)).await;

    let pass = file(folder, "token", &token(SECRET).await);
    let common = format!(
        "{};ca=file:{};token=file:{}",
        office.url(),
        ca.display(),
        pass.display()
    );
    let remotes = [
        format!("office={common};{}", shown(folder, "own", &own)),
        format!("unnamed={common}"),
        format!(
            "misnamed={common};{}",
            shown(folder, "false", &Authority::new().client())
        ),
    ];
    let mut arguments = QUIET.to_vec();
    arguments.extend(remotes.iter().flat_map(|remote| ["--remote", remote]));
    let laptop = Server::with(&arguments).await;
    let here = laptop.client().await;
    for remote in ["unnamed", "misnamed"] {
        let words = [remote, &office.url()];
        assert_refused(pull(&here, remote).await, ErrorKind::ShootsIOError, &words);
        assert!(!here.exists("a").await.unwrap());
    }
    let cloned = pull(&here, "office").await.unwrap();
    assert_eq!(outcome(&cloned), SyncOutcome::Created);
    assert_eq!(get(&here, "a").await, rows(0..3));
    put(&here, "a", PutMode::Append, rows(3..4)).await;
    let pushed = here.push("office").frame("a").send().await.unwrap();
    assert_eq!(
        (outcome(&pushed), objects(&pushed)),
        (SyncOutcome::Moved, 1)
    );
    assert_eq!(get(&there, "a").await, rows(0..4));

    // A token is read when it is needed, so that it can be replaced while the server runs.
    let another = token("another secret that nobody knows here").await;
    file(folder, "token", &another);
    let refused = pull(&here, "office").await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::PermissionDeniedError);
    assert!(refused.to_string().contains("secret"), "{refused}");
    assert!(!refused.to_string().contains(&another), "{refused}");
    file(folder, "token", &format!("{}\n", token(SECRET).await));
    let again = pull(&here, "office").await.unwrap();
    assert_eq!(
        (outcome(&again), objects(&again)),
        (SyncOutcome::Unchanged, 0)
    );
    laptop.stop().await;
    office.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_remote_that_is_reached_in_the_wrong_way_says_which_setting_to_change() {
    let (authority, files) = (Authority::new(), TempDir::new().unwrap());
    let folder = files.path();
    let ca = file(folder, "ca.pem", authority.certificate());
    let flags = authority.server().write(folder).to_vec();
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let encrypted = Server::with(&[QUIET, &flags].concat()).await;
    let asking = format!("--client-ca-file={}", ca.display());
    let asking = Server::with(&[QUIET, &flags, &[asking.as_str()]].concat()).await;
    let plain = Server::with(QUIET).await;
    let known = format!("ca=file:{}", ca.display());
    let remotes = [
        (
            "open",
            format!("grpc+tls://{}", plain.address()),
            "grpc:// instead",
        ),
        (
            "closed",
            format!("grpc://{}", encrypted.address()),
            "grpc+tls:// instead",
        ),
        ("foreign", encrypted.url(), "`ca`"),
        (
            "nameless",
            format!("{};{known}", asking.url()),
            "`certificate` and `key`",
        ),
    ];
    let named = remotes.iter().map(|(name, url, _)| format!("{name}={url}"));
    let named: Vec<String> = named.collect();
    let mut arguments = QUIET.to_vec();
    arguments.extend(named.iter().flat_map(|remote| ["--remote", remote]));
    let server = Server::with(&arguments).await;
    let client = server.client().await;
    for (remote, _, advice) in &remotes {
        let words = [remote, *advice];
        assert_refused(
            pull(&client, remote).await,
            ErrorKind::ShootsIOError,
            &words,
        );
    }
    for server in [server, plain, asking, encrypted] {
        server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_remote_does_not_allow_is_left_out_of_everything_and_otherwise_refused_by_the_remotes_name()
 {
    let files = TempDir::new().unwrap();
    let folder = files.path();
    let secret = format!("--secret-file={}", file(folder, "secret", SECRET).display());
    let office = Server::with(&[QUIET, &[&secret, "--allow-insecure-auth"]].concat()).await;
    let there = ShootsClient::builder(office.url()).token_without_tls(true);
    let there = there.token(token(SECRET).await).connect().await.unwrap();
    for frame in ["nyc/f", "rome/g", "h"] {
        put(&there, frame, PutMode::Append, rows(0..3)).await;
    }
    let scoped = granting(SECRET, &["--read", "nyc"]).await;
    let scoped = format!("file:{}", file(folder, "scoped", &scoped).display());
    let allowed = format!("--allow-file-remotes={}", folder.display());
    let laptop = Server::with(&[QUIET, &[&allowed]].concat()).await;
    let here = laptop.client().await;
    for (remote, reference) in [
        ("office", scoped.as_str()),
        ("unset", "env:SHOOTS_REMOTE_NONE"),
    ] {
        let adding = here.add_remote(remote, &office.url()).token(reference);
        adding.allow_insecure_token().send().await.unwrap();
    }

    let cloned = here.clone_frames("office").all_buckets().send().await;
    assert_eq!(outcome(&cloned.unwrap()), SyncOutcome::Created);
    assert_eq!(get(&here, "nyc/f").await, rows(0..3));
    let pulled = here.pull("office").all_buckets().matching("f").send().await;
    assert_eq!(outcome(&pulled.unwrap()), SyncOutcome::Unchanged);

    let denied = ErrorKind::PermissionDeniedError;
    let url = office.url();
    let default = here.clone_frames("office").send().await;
    let words = [
        "remote office",
        url.as_str(),
        "may not read the default bucket",
    ];
    assert_refused(default, denied, &words);
    let other = here.pull("office").frame("rome/g").send().await;
    assert_refused(
        other,
        denied,
        &["remote office", "may not read bucket rome"],
    );
    put(&here, "nyc/f", PutMode::Append, rows(3..4)).await;
    let pushed = here.push("office").frame("nyc/f").send().await;
    assert_refused(
        pushed,
        denied,
        &["remote office", "may not write to bucket nyc"],
    );
    let pushed = here.push("office").bucket("nyc").send().await.unwrap();
    let problem = pushed.frames[0].problem.as_ref().unwrap();
    assert_eq!(problem.kind, denied);
    let unset = pull(&here, "unset").await;
    let words = ["remote unset", "token: env:SHOOTS_REMOTE_NONE is not set"];
    assert_refused(unset, ErrorKind::InvalidRequestError, &words);
    laptop.stop().await;
    office.stop().await;
}
