//! Frames that a ticket names by names and patterns.

use super::*;
use crate::access::CallerStore;
use crate::query::named::find;

#[tokio::test]
async fn a_frame_that_many_names_mean_is_found_once() {
    let lake = Lake::new(Config::default()).await;
    for name in ["a1", "a2", "b"] {
        lake.numbers(name, 0..3).await;
    }
    let store = CallerStore::from(&lake.store);
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let many: Vec<String> = names(&["b", "a*", "*", "b", "\"\".a1", "\"\".*", "a2"]);
    let found = find(&store, None, &many).await.unwrap();
    let found: Vec<_> = found.iter().map(|f| f.frame().name.to_string()).collect();
    assert_eq!(found, ["b", "a1", "a2"]);
    let missing = find(&store, None, &names(&["a*", "c"])).await.unwrap_err();
    assert!(missing.is_not_found(), "{missing}");
}

#[tokio::test]
async fn names_and_patterns_are_bounded() {
    let lake = Lake::new(Config::default()).await;
    lake.numbers("a", 0..3).await;
    let store = CallerStore::from(&lake.store);
    find(&store, None, &vec!["a".to_owned(); 10_000])
        .await
        .unwrap();
    find(&store, None, &vec!["a*".to_owned(); 100])
        .await
        .unwrap();
    for (names, told) in [
        (vec!["a".to_owned(); 10_001], "10001 names"),
        (vec!["a*".to_owned(); 101], "101 patterns"),
        (vec!["*".repeat(513)], "513 bytes"),
    ] {
        let failure = find(&store, None, &names).await.unwrap_err();
        let body = failure.body().unwrap();
        assert_eq!(body.kind, ErrorKind::InvalidRequestError);
        assert!(body.message.contains("frames"), "{body}");
        assert!(body.message.contains(told), "{body}");
    }
}
