//! What looks for patterns: that it finds what it should, and ends.

use super::*;

/// Rows of a text and a pattern.
async fn texts(lake: &Lake, rows: &[(Option<&str>, Option<&str>)]) {
    let texts: ArrayRef = Arc::new(StringArray::from_iter(rows.iter().map(|row| row.0)));
    let patterns: ArrayRef = Arc::new(StringArray::from_iter(rows.iter().map(|row| row.1)));
    let batch = RecordBatch::try_from_iter([("text", texts), ("pattern", patterns)]).unwrap();
    lake.put("texts", batch).await;
}

async fn answers(lake: &Lake, condition: &str) -> Vec<Option<bool>> {
    let sql = format!("SELECT {condition} AS found FROM texts");
    let rows = lake.ask("texts", &sql).await.unwrap();
    rows.column(0).as_boolean().iter().collect()
}

#[tokio::test]
async fn operators_find_the_same_whether_patterns_are_constants_or_not() {
    let lake = lake().await;
    for (operator, pattern, found) in [
        ("LIKE", "_b%", [true, false, false]),
        ("NOT LIKE", "_b%", [false, true, true]),
        ("ILIKE", "_b%", [true, true, false]),
        ("NOT ILIKE", "_b%", [false, false, true]),
        ("LIKE", "%c", [true, false, true]),
        ("SIMILAR TO", "a.c", [true, false, false]),
        ("NOT SIMILAR TO", "a.c", [false, true, true]),
        ("~", "^[ax].*c", [true, false, true]),
        ("~*", "b.$", [true, true, false]),
        ("!~", "b", [false, true, true]),
        ("!~*", "b", [false, false, true]),
    ] {
        let name = format!("found_{}", operator.len());
        let texts: ArrayRef = Arc::new(StringArray::from(vec!["abc", "ABC", "x\u{e9}c"]));
        let patterns: ArrayRef = Arc::new(StringArray::from(vec![pattern; 3]));
        let batch = RecordBatch::try_from_iter([("text", texts), ("pattern", patterns)]).unwrap();
        let options = PutOptions {
            mode: PutMode::Replace,
            ..PutOptions::default()
        };
        let mut writer = lake
            .store
            .frame(&id(&name))
            .put(batch.schema(), options)
            .await
            .unwrap();
        writer.write(batch).await.unwrap();
        writer.commit().await.unwrap();
        for (text, pattern) in [
            ("text", format!("'{pattern}'")),
            ("text", "pattern".to_owned()),
            ("arrow_cast(text, 'Utf8View')", format!("'{pattern}'")),
            ("arrow_cast(text, 'LargeUtf8')", "pattern".to_owned()),
            (
                "arrow_cast(text, 'Dictionary(Int32, Utf8)')",
                format!("'{pattern}'"),
            ),
        ] {
            let condition = format!("{text} {operator} {pattern}");
            let sql = format!("SELECT {condition} FROM {name}");
            let rows = lake.ask(&name, &sql).await.unwrap();
            let answers: Vec<bool> = rows.column(0).as_boolean().iter().flatten().collect();
            assert_eq!(answers, found, "{condition}");
            let sql = format!("SELECT count(*) FROM {name} WHERE {condition}");
            let expected = found.iter().filter(|found| **found).count();
            let counted = lake.asked_numbers(&name, &sql).await;
            assert_eq!(counted, [i64::try_from(expected).unwrap()], "{sql}");
        }
    }
}

#[tokio::test]
async fn what_is_null_finds_nothing_and_columns_keep_their_names() {
    let lake = lake().await;
    let rows = [
        (Some("abc"), Some("a_c")),
        (None, Some("a_c")),
        (Some("abc"), None),
        (Some(""), Some("")),
    ];
    texts(&lake, &rows).await;
    let found = [Some(true), None, None, Some(true)];
    assert_eq!(answers(&lake, "text LIKE pattern").await, found);
    let found = [Some(true), None, Some(true), Some(false)];
    assert_eq!(answers(&lake, "text LIKE 'a_c'").await, found);
    let sql = "SELECT text LIKE 'a_c', text ~ pattern FROM texts";
    let rows = lake.ask("texts", sql).await.unwrap();
    let schema = rows.schema();
    assert_eq!(schema.field(0).name(), "texts.text LIKE Utf8(\"a_c\")");
    assert_eq!(schema.field(1).name(), "texts.text ~ texts.pattern");
    let sql = "SELECT count(*) FROM texts GROUP BY text LIKE 'a_c' ORDER BY 1";
    assert_eq!(lake.asked_numbers("texts", sql).await, [1, 1, 2]);
    let sql = "SELECT count(*) FROM texts AS t JOIN texts AS p ON t.text LIKE p.pattern";
    assert_eq!(lake.asked_numbers("texts", sql).await, [5]);
}

#[tokio::test]
async fn a_pattern_for_each_row_ends_with_its_query() {
    let config = Config {
        query_seconds: 1,
        ..Config::default()
    };
    for condition in [
        "CAST(n AS VARCHAR) SIMILAR TO ('((a{1,20}){1,20}){1,9}' || n)",
        "regexp_like(CAST(n AS VARCHAR), '((a{1,20}){1,20}){1,9}' || n)",
        "regexp_count(repeat('a', 500) || n, '((a{1,20}){1,20}){1,9}' || n) > 0",
        "regexp_count(repeat('A', 1000000), '.*[^A-Z]|[A-Z]') = n",
    ] {
        let sql = format!("SELECT count(*) FROM numbers WHERE {condition}");
        let lake = Lake::new(config.clone()).await;
        lake.numbers("numbers", 0..1000).await;
        let error = lake.refused("numbers", &sql).await;
        assert_eq!(error.kind, ErrorKind::LimitError, "{sql}: {error}");
        assert!(
            error.message.contains("query_seconds is 1"),
            "{sql}: {error}"
        );
    }
}

#[tokio::test]
async fn what_would_take_very_long_in_one_text_is_refused() {
    let lake = lake().await;
    for condition in [
        "repeat('ab', 10000000) ~ '(a|b)*a(a|b){200}c'",
        "regexp_like(repeat('ab', 10000000), '(a|b)*a(a|b){200}c')",
        "repeat('ab', 2000000 + n) LIKE '%' || repeat('a%b', 1000) || n",
        "repeat('ab', 2000000 + n) SIMILAR TO '(a|b)*a(a|b){900}c'",
        "repeat('ab', 2000000 + n) LIKE '%' || repeat('a%b', 1000) || n ESCAPE '\\'",
        "repeat('a', 5000000 + n) ~* (repeat('a', 20000) || 'b')",
        "repeat('a', 5000000 + n) ILIKE '%' || repeat('a', 20000) || 'b%'",
        "regexp_like(repeat('a', 5000000 + n), repeat('a', 20000) || 'b', 'i')",
        "strpos(repeat('a', 10000000 + n), repeat('a', 100000) || 'b') > 0",
    ] {
        let sql = format!("SELECT count(*) FROM numbers WHERE n = 3 AND {condition}");
        let error = lake.refused("numbers", &sql).await;
        assert!(
            error.message.contains("shorten the text or the pattern"),
            "{sql}: {error}"
        );
    }
    for call in [
        "regexp_count(s, 'zz', 1, 'i)[ab]*a[ab]{200}([^ab]')",
        "regexp_like(s, 'zz', 'i)[ab]*a[ab]{200}([^ab]')",
    ] {
        let sql = format!("SELECT {call} FROM (SELECT repeat('ab', 100 + n) AS s FROM numbers)");
        let error = lake.refused("numbers", &sql).await;
        assert!(error.message.contains("are letters"), "{sql}: {error}");
    }
    let long = format!(
        "SELECT count(*) FROM numbers WHERE 'a' ~ repeat('a', {})",
        1 << 20
    );
    let error = lake.refused("numbers", &long).await;
    assert!(error.message.contains("1048576 bytes"), "{error}");
}

#[tokio::test]
async fn replacing_is_limited_by_what_it_makes() {
    let config = || Config {
        query_memory_bytes_each: 1 << 20,
        ..Config::default()
    };
    let words = ["query_memory_bytes_each is 1048576"];
    for call in [
        "regexp_replace(repeat('a', 10000), 'a', repeat('b', 10000), 'g')",
        "regexp_replace(repeat('a', 1000), 'A', repeat('b', 10000), 'gi')",
        "regexp_replace(repeat('a', 1000 + n), 'a', repeat('b', 10000), 'g')",
        "regexp_replace(repeat('a', 10000 + n), '(a+)', repeat('\\1', 1000))",
    ] {
        assert_limited(config(), &format!("SELECT {call} FROM numbers"), &words).await;
    }
    let lake = lake().await;
    for (call, length) in [
        (
            "regexp_replace(repeat('ab', 100000), 'a', repeat('x', 100))",
            200_099,
        ),
        (
            "regexp_replace(repeat('ab', 10000), 'a', 'xyz', 'g')",
            40_000,
        ),
        (
            "regexp_replace(repeat('a', 97), 'zzz', repeat('b', 64000), 'g')",
            97,
        ),
        (
            "regexp_replace('ab' || repeat('c', 10000), '(a)(b)', '\\2\\1')",
            10_002,
        ),
    ] {
        let sql = format!("SELECT CAST(length({call}) AS BIGINT) FROM numbers LIMIT 1");
        assert_eq!(lake.asked_numbers("numbers", &sql).await, [length], "{sql}");
    }
}
