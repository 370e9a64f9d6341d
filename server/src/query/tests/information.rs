//! What there is, asked in SQL.

use super::*;

/// All rows of a result, as texts set apart by bars.
async fn lines(lake: &Lake, frame: &str, sql: &str) -> Vec<String> {
    let rows = lake.ask(frame, sql).await.unwrap();
    let text = |column: &ArrayRef, row| {
        let texts = datafusion::arrow::compute::cast(column, &DataType::Utf8).unwrap();
        texts.as_string::<i32>().value(row).to_owned()
    };
    (0..rows.num_rows())
        .map(|row| {
            let values = rows.columns().iter().map(|column| text(column, row));
            values.collect::<Vec<_>>().join("|")
        })
        .collect()
}

async fn buckets() -> Lake {
    let lake = Lake::new(Config::default()).await;
    lake.numbers("Numbers", 0..10).await;
    lake.numbers("nyc/Flights", 0..3).await;
    lake.numbers("nyc/numbers", 5..7).await;
    lake.put("nyc/it's", typed_batch()).await;
    lake
}

#[tokio::test]
async fn buckets_are_schemas_and_frames_are_tables() {
    let lake = buckets().await;
    let all = [
        "shoots||Numbers|BASE TABLE",
        "shoots|nyc|Flights|BASE TABLE",
        "shoots|nyc|it's|BASE TABLE",
        "shoots|nyc|numbers|BASE TABLE",
    ];
    for sql in [
        "SHOW TABLES",
        "SELECT * FROM information_schema.tables",
        "select * from INFORMATION_SCHEMA.Tables",
        "select * from shoots.information_schema.tables",
    ] {
        for frame in ["Numbers", "nyc/Flights"] {
            assert_eq!(lines(&lake, frame, sql).await, all, "{sql}");
        }
    }
    for (sql, expected) in [
        ("SHOW TABLES FROM NYC", &all[1..]),
        ("SHOW TABLES FROM \"nyc\" LIKE 'n%'", &all[3..]),
        ("SHOW TABLES FROM \"\"", &all[..1]),
        ("SHOW TABLES FROM \"NYC\"", &[]),
    ] {
        assert_eq!(lines(&lake, "Numbers", sql).await, expected, "{sql}");
    }
    let sql = "SELECT count(*) FROM information_schema.tables t JOIN nyc.numbers n ON n.n > 5";
    assert_eq!(lines(&lake, "Numbers", sql).await, ["4"]);
    let sql = "SELECT table_name FROM information_schema.views WHERE definition IS NOT NULL";
    assert!(lines(&lake, "Numbers", sql).await.is_empty());
    for sql in [
        "SHOW SCHEMAS",
        "SELECT schema_name FROM information_schema.schemata",
    ] {
        assert_eq!(lines(&lake, "Numbers", sql).await, ["", "nyc"], "{sql}");
    }
}

#[tokio::test]
async fn columns_are_shown_of_the_frame_that_a_name_means() {
    let lake = buckets().await;
    let mine = ["shoots||Numbers|n|Int64|NO"];
    let theirs = ["shoots|nyc|numbers|n|Int64|NO"];
    for (frame, sql, expected) in [
        ("Numbers", "SHOW COLUMNS FROM Numbers", mine),
        ("Numbers", "SHOW COLUMNS IN numbers", mine),
        ("nyc/Flights", "SHOW COLUMNS FROM NUMBERS", theirs),
        ("nyc/Flights", "SHOW COLUMNS FROM \"\".numbers", mine),
        ("Numbers", "SHOW COLUMNS FROM NYC.numbers", theirs),
        ("Numbers", "SHOW COLUMNS FROM shoots.nyc.numbers", theirs),
    ] {
        assert_eq!(lines(&lake, frame, sql).await, expected, "{frame}: {sql}");
    }
    let sql = "SHOW COLUMNS FROM nyc.\"it's\"";
    let shown = lines(&lake, "Numbers", sql).await;
    assert_eq!(shown.len(), typed_batch().num_columns());
    assert_eq!(shown[0], "shoots|nyc|it's|price|Float64|YES");
    assert!(shown[1].ends_with("|NO"), "{shown:?}");
    let sql = "SELECT column_name FROM information_schema.columns WHERE table_name = 'it''s' ORDER BY ordinal_position";
    let asked = lines(&lake, "Numbers", sql).await;
    assert_eq!(asked, ["price", "when", "text", "kind"]);
    for sql in [
        "SHOW COLUMNS FROM nowhere",
        "SHOW COLUMNS FROM \"numbers\"",
        "DESCRIBE nowhere",
    ] {
        let error = lake.refused("Numbers", sql).await;
        assert!(error.message.contains("not found"), "{sql}: {error}");
    }
}

#[tokio::test]
async fn frames_and_queries_are_described() {
    let lake = buckets().await;
    for (frame, sql) in [
        ("Numbers", "DESCRIBE Numbers"),
        ("Numbers", "DESC numbers"),
        ("Numbers", "DESCRIBE NYC.Numbers"),
        ("Numbers", "DESCRIBE shoots.nyc.flights"),
        ("nyc/Flights", "DESCRIBE \"\".\"Numbers\""),
        ("nyc/Flights", "DESCRIBE SELECT n FROM numbers"),
    ] {
        assert_eq!(lines(&lake, frame, sql).await, ["n|Int64|NO"], "{sql}");
    }
    let tables = lines(&lake, "Numbers", "DESCRIBE information_schema.tables").await;
    assert_eq!(tables[2], "table_name|Utf8|NO");
}

#[tokio::test]
async fn explanations_of_every_form_are_given() {
    let lake = buckets().await;
    for (sql, words) in [
        ("EXPLAIN SELECT * FROM Numbers", "FrameScan"),
        ("EXPLAIN VERBOSE SELECT * FROM Numbers", "FrameScan"),
        ("EXPLAIN ANALYZE SELECT * FROM Numbers", "FrameScan"),
        ("EXPLAIN FORMAT INDENT SELECT * FROM Numbers", "FrameScan"),
        ("EXPLAIN FORMAT TREE SELECT * FROM Numbers", "FrameScan"),
        ("EXPLAIN FORMAT PGJSON SELECT * FROM Numbers", "TableScan"),
        ("EXPLAIN FORMAT GRAPHVIZ SELECT * FROM Numbers", "digraph"),
        ("EXPLAIN SHOW TABLES", "table_schema"),
    ] {
        let told = lines(&lake, "Numbers", sql).await.concat();
        assert!(told.contains(words), "{sql}: {told}");
    }
}

#[tokio::test]
async fn frames_of_several_buckets_are_joined_in_one_statement() {
    let lake = buckets().await;
    let sql = "SELECT a.n FROM numbers a JOIN nyc.numbers b ON a.n = b.n \
               LEFT JOIN shoots.nyc.Flights c ON c.n = a.n - 5 ORDER BY 1";
    assert_eq!(lake.asked_numbers("Numbers", sql).await, [5, 6]);
    let sql = "SELECT \"\".Numbers.n FROM \"\".Numbers JOIN nyc.numbers ON \"\".Numbers.n = nyc.numbers.n \
               ORDER BY 1 DESC";
    assert_eq!(lake.asked_numbers("nyc/Flights", sql).await, [6, 5]);
}

#[tokio::test]
async fn a_bucket_of_that_name_hides_nothing() {
    let lake = Lake::new(Config::default()).await;
    lake.numbers("information_schema/mine", 0..2).await;
    lake.numbers("information_schema/tables", 0..2).await;
    let sql = "SELECT n FROM information_schema.mine";
    let frame = "information_schema/mine";
    assert_eq!(lake.asked_numbers(frame, sql).await, [0, 1]);
    let sql = "SELECT table_name FROM information_schema.tables";
    assert_eq!(lines(&lake, "information_schema/mine", sql).await.len(), 2);
}
