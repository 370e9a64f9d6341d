//! Clauses that the parser accepts and the planner would pass over.

use super::*;

/// Queries over `numbers`, the clause that each is refused for, and the column of the first line where it stands.
const IGNORED: &[(&str, &str, usize)] = &[
    ("SELECT n FROM numbers PREWHERE n = 2", "PREWHERE", 23),
    (
        "SELECT n FROM numbers TABLESAMPLE BERNOULLI (10)",
        "TABLESAMPLE",
        23,
    ),
    ("SELECT n FROM numbers SAMPLE 0.1", "SAMPLE", 23),
    (
        "SELECT n FROM (SELECT 1 AS n) TABLESAMPLE (1 ROWS)",
        "TABLESAMPLE",
        31,
    ),
    (
        "SELECT n FROM numbers GROUP BY n WITH ROLLUP",
        "WITH ROLLUP",
        34,
    ),
    (
        "SELECT n FROM numbers GROUP BY n WITH CUBE",
        "WITH CUBE",
        34,
    ),
    (
        "SELECT n FROM numbers GROUP BY n WITH TOTALS",
        "WITH TOTALS",
        34,
    ),
    (
        "SELECT n FROM numbers START WITH n = 1 CONNECT BY n = 2",
        "START WITH",
        23,
    ),
    ("SELECT n FROM numbers CONNECT BY n = 2", "CONNECT BY", 23),
    ("SELECT n FROM numbers PARTITION (p1)", "PARTITION", 23),
    ("SELECT n FROM numbers FINAL", "FINAL", 23),
    (
        "SELECT value FROM range(3) WITH ORDINALITY",
        "WITH ORDINALITY",
        28,
    ),
    ("SELECT n FROM numbers FOR UPDATE", "FOR UPDATE", 23),
    ("SELECT n FROM numbers FOR SHARE", "FOR SHARE", 23),
    ("SELECT n FROM numbers FOR JSON AUTO", "FOR JSON", 23),
    ("SELECT n FROM numbers FOR XML AUTO", "FOR XML", 23),
    ("SELECT n FROM numbers FORMAT JSON", "FORMAT", 23),
    (
        "SELECT n FROM numbers SETTINGS max_threads = 1",
        "SETTINGS",
        23,
    ),
    ("FROM numbers", "FROM without SELECT", 1),
    ("SELECT abs(n) OVER () FROM numbers", "OVER", 15),
    (
        "SELECT abs(n) FILTER (WHERE n > 2) FROM numbers",
        "FILTER",
        15,
    ),
    ("SELECT abs(DISTINCT n) FROM numbers", "DISTINCT", 12),
    ("SELECT quantile(0.5)(n) FROM numbers", "quantile(…)(…)", 8),
];

#[tokio::test]
async fn clauses_that_would_be_ignored_are_refused_with_their_place() {
    let lake = lake().await;
    for (sql, clause, column) in IGNORED {
        let error = lake.refused("numbers", sql).await;
        assert_eq!(error.kind, ErrorKind::DataFusionError, "{sql}: {error}");
        let words = format!("{clause} is not supported");
        assert!(error.message.contains(&words), "{sql}: {error}");
        let place = format!("(at line 1, column {column})");
        assert!(error.message.ends_with(&place), "{sql}: {error}");
    }
}

#[tokio::test]
async fn clauses_that_would_be_ignored_are_refused_wherever_a_query_stands() {
    let lake = lake().await;
    for (sql, clause, _) in IGNORED {
        for around in [
            format!("SELECT * FROM ({sql}) AS s"),
            format!("WITH c AS ({sql}) SELECT * FROM c"),
            format!("SELECT 1 WHERE EXISTS ({sql})"),
            format!("EXPLAIN {sql}"),
        ] {
            let error = lake.refused("numbers", &around).await;
            let words = format!("{clause} is not supported");
            assert!(error.message.contains(&words), "{around}: {error}");
        }
    }
}

#[tokio::test]
async fn clauses_that_have_an_effect_and_names_like_clauses_stay() {
    let lake = lake().await;
    for (sql, expected) in [
        ("SELECT n FROM numbers AS final WHERE n = 2", vec![2]),
        (
            "SELECT sum(n) FROM numbers GROUP BY ROLLUP (n > 100) ORDER BY 1",
            vec![45, 45],
        ),
        (
            "SELECT sum(DISTINCT n) FILTER (WHERE n < 3) FROM numbers",
            vec![3],
        ),
        (
            "SELECT n FROM numbers QUALIFY row_number() OVER (ORDER BY n DESC) = 1",
            vec![9],
        ),
        (
            "SELECT max(n) OVER () AS sample FROM numbers LIMIT 1",
            vec![9],
        ),
        ("SELECT DISTINCT abs(n - n) FROM numbers", vec![0]),
    ] {
        assert_eq!(lake.asked_numbers("numbers", sql).await, expected, "{sql}");
    }
}

#[tokio::test]
async fn the_time_of_a_query_is_one_moment() {
    let lake = lake().await;
    for sql in [
        "SELECT count(*) FROM numbers WHERE now() = now()",
        "SELECT count(*) FROM numbers WHERE current_timestamp > TIMESTAMP '2020-01-01'",
        "SELECT count(*) FROM numbers WHERE current_date >= DATE '2020-01-01'",
        "SELECT count(*) FROM numbers WHERE today() = current_date",
        "SELECT count(*) FROM numbers WHERE current_time IS NOT NULL",
    ] {
        assert_eq!(lake.asked_numbers("numbers", sql).await, [10], "{sql}");
    }
}
