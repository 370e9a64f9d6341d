//! What is wrong with a statement, and where in it.

use super::*;

#[tokio::test]
async fn mistakes_are_told_with_their_place() {
    let lake = Lake::new(Config::default()).await;
    lake.numbers("Numbers", 0..10).await;
    for (sql, words, line, column) in [
        ("SELECT nothing FROM Numbers", "nothing", 1, 8),
        ("SELECT n,\n  nothing\nFROM numbers", "nothing", 2, 3),
        ("SELECT x.nothing FROM numbers AS x", "nothing", 1, 8),
        ("SELECT n FROM nowhere", "nowhere", 1, 15),
        ("SELECT n FROM 'no where'", "no where", 1, 15),
        (
            "SELECT n FROM numbers\nJOIN nyc.nowhere b ON b.n = 1",
            "nyc.nowhere",
            2,
            6,
        ),
        ("SELECT n FROM numbers a, numbers b", "n", 1, 8),
        (
            "SELECT nosuchfunction(n) FROM numbers",
            "nosuchfunction",
            1,
            8,
        ),
    ] {
        let error = lake.refused("Numbers", sql).await;
        assert_eq!(error.kind, ErrorKind::DataFusionError, "{sql}: {error}");
        assert!(error.message.contains(words), "{sql}: {error}");
        let place = format!("(at line {line}, column {column})");
        assert!(error.message.ends_with(&place), "{sql}: {error}");
    }
    let error = lake.refused("Numbers", "SELECT m FROM Numbers").await;
    assert!(error.message.contains("\"Numbers\".n"), "{error}");
    let error = lake.refused("Numbers", "SELECT n\nFRM Numbers x").await;
    assert!(error.message.contains("(at line 2, column"), "{error}");
    assert!(!error.message.contains("Line:"), "{error}");
}
