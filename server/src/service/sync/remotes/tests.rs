//! What callers may let a server reach.

use std::os::unix::fs::symlink;

use shoots_proto::RemoteUrl;
use tempfile::TempDir;

use super::*;

/// Remotes of a server that lets callers use `allowed` below a folder, beside which there is `other`.
fn server() -> (TempDir, Remotes) {
    let root = tempfile::tempdir().unwrap();
    for folder in ["allowed", "other"] {
        std::fs::create_dir(root.path().join(folder)).unwrap();
    }
    std::fs::write(root.path().join("allowed/token"), "x").unwrap();
    std::fs::write(root.path().join("other/token"), "x").unwrap();
    let config = Config {
        allow_file_remotes: vec![root.path().join("allowed").to_str().unwrap().to_owned()],
        ..Config::default()
    };
    let remotes = Remotes::new(&config);
    (root, remotes)
}

fn at(url: &str) -> Remote {
    Remote::new(RemoteUrl::parse(url).unwrap())
}

async fn refusal(remotes: &Remotes, remote: &Remote) -> Option<String> {
    remotes.check(remote).await.err().map(|e| e.to_string())
}

#[tokio::test]
async fn folders_are_reached_only_below_those_that_are_allowed_wherever_links_lead() {
    let (root, remotes) = server();
    let root = root.path().to_str().unwrap();
    symlink(format!("{root}/other"), format!("{root}/allowed/link")).unwrap();
    symlink(format!("{root}/gone"), format!("{root}/allowed/dangling")).unwrap();
    symlink(format!("{root}/allowed"), format!("{root}/other/back")).unwrap();
    for inside in ["allowed", "allowed/new", "allowed/new/er", "other/back/x"] {
        let found = refusal(&remotes, &at(&format!("file://{root}/{inside}"))).await;
        assert_eq!(found, None, "{inside}");
    }
    for outside in [
        "",
        "/other",
        "/allowed-not",
        "/allowed/link",
        "/allowed/link/new",
        "/allowed/dangling",
        "/allowed/dangling/x",
    ] {
        let found = refusal(&remotes, &at(&format!("file://{root}{outside}"))).await;
        let found = found.unwrap_or_else(|| panic!("{outside} is allowed"));
        assert!(found.contains("remote: url: leads to a folder"), "{found}");
    }
}

#[tokio::test]
async fn without_the_setting_no_folder_is_reached() {
    let remotes = Remotes::default();
    assert!(refusal(&remotes, &at("file:///srv")).await.is_some());
    assert_eq!(refusal(&remotes, &at("s3://bucket")).await, None);
    assert_eq!(refusal(&remotes, &at("grpc://host")).await, None);
}

#[tokio::test]
async fn callers_cannot_send_what_is_none_of_their_tokens() {
    let (root, remotes) = server();
    let root = root.path().to_str().unwrap();
    let with = |token: &str| Remote {
        token: Some(SecretRef::parse(token).unwrap()),
        ..at("grpc+tls://host")
    };
    for token in [
        "env:SHOOTS_REMOTE_TOKEN",
        &format!("file:{root}/allowed/token"),
    ] {
        assert_eq!(refusal(&remotes, &with(token)).await, None, "{token}");
    }
    for token in [
        "env:AWS_SECRET_ACCESS_KEY",
        "env:SHOOTS_TOKENS",
        "file:/etc/passwd",
        &format!("file:{root}/other/token"),
        &format!("file:{root}/allowed/../other/token"),
    ] {
        let found = refusal(&remotes, &with(token)).await;
        let found = found.unwrap_or_else(|| panic!("{token} is allowed"));
        assert!(found.contains("remote: token: refers to a "), "{found}");
    }
    let ca = Remote {
        ca: Some(SecretRef::parse("file:/etc/passwd").unwrap()),
        ..at("grpc+tls://host")
    };
    let found = refusal(&remotes, &ca).await.unwrap();
    assert!(found.contains("remote: ca: refers to a file"), "{found}");
    let certificate = SecretRef::parse("env:SHOOTS_REMOTE_CERTIFICATE").unwrap();
    let key = Remote {
        certificate: Some(certificate),
        key: Some(SecretRef::parse("file:/etc/ssl/private/key.pem").unwrap()),
        ..at("grpc+tls://host")
    };
    let found = refusal(&remotes, &key).await.unwrap();
    assert!(found.contains("remote: key: refers to a file"), "{found}");
}

#[tokio::test]
async fn what_the_settings_name_needs_no_leave() {
    let store = Store::open("memory://").await.unwrap();
    let origin = RemoteName::parse("origin").unwrap();
    let remotes = Remotes {
        configured: [(origin.clone(), at("file:///srv"))].into(),
        ..Remotes::default()
    };
    assert_eq!(remotes.find(&store, &origin).await, Ok(at("file:///srv")));
    let other = RemoteName::parse("other").unwrap();
    let unknown = remotes.find(&store, &other).await.unwrap_err();
    assert!(unknown.is_not_found(), "{unknown}");
    // It is looked at again, because others may write to the store.
    store.add_remote(&other, &at("file:///srv")).await.unwrap();
    assert!(remotes.find(&store, &other).await.is_err());
}
