//! Remotes are kept under their names, whoever changes them at the same time.

use shoots_proto::{RemoteUrl, SecretRef};

use super::*;
use crate::ErrorKind;

fn name(text: &str) -> RemoteName {
    RemoteName::parse(text).unwrap()
}

fn at(url: &str) -> Remote {
    Remote::new(RemoteUrl::parse(url).unwrap())
}

async fn store() -> Store {
    Store::open("memory://").await.unwrap()
}

#[tokio::test]
async fn a_remote_is_kept_with_references_until_it_is_removed() {
    let store = store().await;
    let origin = Remote {
        token: Some(SecretRef::Variable("TOKEN".to_owned())),
        ..at("grpc+tls://host")
    };
    store.add_remote(&name("origin"), &origin).await.unwrap();
    store.add_remote(&name("b"), &at("s3://b")).await.unwrap();
    let found = store.remotes().await.unwrap();
    let names: Vec<_> = found.keys().map(RemoteName::as_str).collect();
    assert_eq!(names, ["b", "origin"]);
    assert_eq!(found[&name("origin")], origin);
    let removed = store.remove_remote(&name("origin")).await.unwrap();
    assert_eq!(removed, origin);
    assert_eq!(store.remote(&name("origin")).await.unwrap(), None);
    let again = store.remove_remote(&name("origin")).await.unwrap_err();
    assert_eq!(again.kind(), ErrorKind::NotFound);
    store
        .add_remote(&name("origin"), &at("file:///x"))
        .await
        .unwrap();
    let found = store.remote(&name("origin")).await.unwrap();
    assert_eq!(found, Some(at("file:///x")));
}

#[tokio::test]
async fn the_name_of_another_place_is_refused_and_the_same_place_is_not() {
    let store = store().await;
    let origin = name("origin");
    store.add_remote(&origin, &at("s3://a")).await.unwrap();
    store.add_remote(&origin, &at("s3://a")).await.unwrap();
    let other = store.add_remote(&origin, &at("s3://b")).await.unwrap_err();
    assert_eq!(other.kind(), ErrorKind::AlreadyExists);
    assert!(other.to_string().contains("s3://a"), "{other}");
}

#[tokio::test]
async fn of_many_who_add_at_once_one_decides_and_nothing_is_lost() {
    let store = store().await;
    let origin = name("origin");
    let added = (0..8).map(|number| {
        let (store, origin) = (store.clone(), origin.clone());
        async move {
            let place = at(&format!("s3://bucket{number}"));
            store.add_remote(&origin, &place).await.map(|()| place)
        }
    });
    let added = futures::future::join_all(added).await;
    let won: Vec<_> = added.into_iter().filter_map(Result::ok).collect();
    assert_eq!(won.len(), 1);
    assert_eq!(store.remote(&origin).await.unwrap(), won.first().cloned());
}

#[tokio::test]
async fn a_remote_that_cannot_be_read_does_not_hide_the_others() {
    let store = store().await;
    store.add_remote(&name("a"), &at("s3://a")).await.unwrap();
    let path = layout::remote(&name("broken"), 1);
    let newer = "{\"shoots\":\"remote\",\"format\":3,\"remote\":null}\n{}\n";
    let objects = &store.shared().objects;
    objects.create(&path, newer.into()).await.unwrap();
    assert_eq!(store.remotes().await.unwrap().len(), 1);
    let error = store.remote(&name("broken")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Newer);
    assert!(store.buckets().await.unwrap().is_empty());
}
