//! Queries over a store in memory: what they may do, what they find, and what comes out.

mod clauses;
mod combined;
mod information;
mod limits;
mod mistakes;
mod named;
pub(super) mod panics;
mod parameters;
mod plans;
mod resampled;

use std::collections::HashMap;
use std::time::Duration;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, Int64Type};
use arrow_array::{
    ArrayRef, DictionaryArray, Float64Array, Int64Array, StringArray, TimestampNanosecondArray,
};
use arrow_schema::{DataType, Field, Schema, TimeUnit};
use datafusion::physical_plan::displayable;
use futures::TryStreamExt;
use shoots_proto::{AsOf, ErrorBody, ErrorKind, FrameId, PutMode};
use shoots_store::{PutOptions, Store};

use super::*;

struct Lake {
    store: Store,
    queries: Queries,
    config: Config,
}

impl Lake {
    async fn new(config: Config) -> Self {
        Self {
            store: Store::open("memory://").await.unwrap(),
            queries: Queries::new(&config).unwrap(),
            config,
        }
    }

    async fn put(&self, frame: &str, batch: RecordBatch) {
        let options = PutOptions {
            mode: PutMode::Append,
            ..PutOptions::default()
        };
        let frame = self.store.frame(&id(frame));
        let mut writer = frame.put(batch.schema(), options).await.unwrap();
        writer.write(batch).await.unwrap();
        writer.commit().await.unwrap();
    }

    async fn numbers(&self, frame: &str, numbers: impl IntoIterator<Item = i64>) {
        let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(numbers));
        let batch = RecordBatch::try_from_iter([("n", numbers)]).unwrap();
        self.put(frame, batch).await;
    }

    async fn plan(&self, frame: &str, sql: &str) -> Result<Plan, Failure> {
        self.plan_as_of(frame, sql, None).await
    }

    async fn plan_as_of(
        &self,
        frame: &str,
        sql: &str,
        as_of: Option<AsOf>,
    ) -> Result<Plan, Failure> {
        let frame = self.store.frame(&id(frame));
        let snapshot = frame.snapshot(as_of.as_ref()).await.unwrap();
        let question = Question {
            sql: sql.to_owned(),
            scope: Scope::of(&snapshot, as_of),
            parameters: Parameters::default(),
            columns: None,
            offset: None,
            limit: None,
        };
        self.queries.plan(&(&self.store).into(), question).await
    }

    /// The result as one batch, after checking that its schema is the one announced.
    async fn ask(&self, frame: &str, sql: &str) -> Result<RecordBatch, Failure> {
        collect(self.plan(frame, sql).await?).await
    }

    async fn asked_numbers(&self, frame: &str, sql: &str) -> Vec<i64> {
        let batch = self.ask(frame, sql).await.unwrap();
        batch
            .column(0)
            .as_primitive::<Int64Type>()
            .values()
            .to_vec()
    }

    async fn refused(&self, frame: &str, sql: &str) -> ErrorBody {
        let failure = self.ask(frame, sql).await.expect_err(sql);
        failure.body().expect(sql).clone()
    }
}

async fn collect(plan: Plan) -> Result<RecordBatch, Failure> {
    let schema = plan.schema();
    let batches: Vec<RecordBatch> = plan.run().await?.try_collect().await?;
    assert!(batches.iter().all(|batch| batch.schema() == schema));
    Ok(arrow_select::concat::concat_batches(&schema, &batches).unwrap())
}

fn id(text: &str) -> FrameId {
    let parts: Vec<String> = text.rsplit('/').map(str::to_owned).collect();
    FrameId::from_path(&parts).unwrap()
}

async fn lake() -> Lake {
    let lake = Lake::new(Config::default()).await;
    lake.numbers("numbers", 0..10).await;
    lake
}

#[tokio::test]
async fn whatever_is_no_query_is_refused() {
    let lake = lake().await;
    for sql in [
        "CREATE EXTERNAL TABLE t STORED AS CSV LOCATION '/etc/passwd'",
        "CREATE TABLE t AS SELECT * FROM numbers",
        "CREATE VIEW v AS SELECT * FROM numbers",
        "CREATE DATABASE d",
        "CREATE FUNCTION f(BIGINT) RETURNS BIGINT RETURN $1",
        "DROP TABLE numbers",
        "COPY numbers TO '/tmp/stolen.csv'",
        "COPY (SELECT * FROM numbers) TO '/tmp/stolen.csv' STORED AS CSV",
        "INSERT INTO numbers VALUES (1)",
        "UPDATE numbers SET n = 1",
        "DELETE FROM numbers",
        "TRUNCATE TABLE numbers",
        "SET datafusion.execution.batch_size = 1",
        "RESET datafusion.execution.batch_size",
        "SHOW ALL",
        "SHOW FUNCTIONS",
        "PREPARE p AS SELECT 1",
        "EXECUTE p",
        "EXPLAIN INSERT INTO numbers VALUES (1)",
        "EXPLAIN COPY numbers TO '/tmp/stolen.csv'",
        "EXPLAIN ANALYZE COPY numbers TO '/tmp/stolen.csv'",
        "EXPLAIN CREATE TABLE t AS SELECT 1",
        "EXPLAIN SET datafusion.execution.batch_size = 1",
        "WITH t AS (INSERT INTO numbers VALUES (1)) SELECT * FROM t",
        "SELECT * INTO t FROM numbers",
        "SELECT 1; SELECT 2",
        "BEGIN",
        "",
    ] {
        let error = lake.refused("numbers", sql).await;
        assert_eq!(error.kind, ErrorKind::DataFusionError, "{sql}: {error}");
    }
    assert_eq!(
        lake.asked_numbers("numbers", "SELECT count(*) FROM numbers")
            .await,
        [10]
    );
}

#[tokio::test]
async fn files_and_urls_are_no_tables() {
    let lake = lake().await;
    for sql in [
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM \"/etc/passwd\"",
        "SELECT * FROM '/etc/passwd.csv'",
        "SELECT * FROM 'file:///etc/passwd.parquet'",
        "SELECT * FROM \"s3://bucket/key.parquet\"",
        "SELECT * FROM 'http://localhost/x.json'",
        "SELECT * FROM read_parquet('/etc/passwd')",
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM parquet_metadata('/etc/passwd')",
        "SELECT * FROM information_schema.df_settings",
        "EXPLAIN SELECT * FROM '/etc/passwd.csv'",
        "SELECT n FROM numbers WHERE n IN (SELECT a FROM '/etc/passwd.csv')",
    ] {
        let error = lake.refused("numbers", sql).await;
        assert_eq!(error.kind, ErrorKind::DataFusionError, "{sql}: {error}");
    }
}

#[tokio::test]
async fn queries_of_every_shape_are_answered() {
    let lake = lake().await;
    for (sql, expected) in [
        ("SELECT n FROM numbers WHERE n > 7", vec![8, 9]),
        ("SELECT sum(n) FROM numbers", vec![45]),
        (
            "WITH t AS (SELECT n FROM numbers) SELECT max(n) FROM t",
            vec![9],
        ),
        (
            "WITH numbers AS (SELECT n + 100 AS n FROM numbers) SELECT min(n) FROM numbers",
            vec![100],
        ),
        ("SELECT n FROM numbers ORDER BY n DESC LIMIT 2", vec![9, 8]),
        (
            "SELECT a.n FROM numbers a JOIN numbers b ON a.n = b.n + 8 ORDER BY 1",
            vec![8, 9],
        ),
        (
            "SELECT n FROM numbers WHERE n = (SELECT max(n) FROM numbers)",
            vec![9],
        ),
        ("VALUES (1), (2)", vec![1, 2]),
        ("SELECT value FROM range(0, 3)", vec![0, 1, 2]),
        ("SELECT count(*) FROM numbers WHERE n < 5", vec![5]),
    ] {
        assert_eq!(lake.asked_numbers("numbers", sql).await, expected, "{sql}");
    }
    let explained = lake
        .ask("numbers", "EXPLAIN SELECT * FROM numbers")
        .await
        .unwrap();
    assert!(explained.num_rows() > 0);
}

#[tokio::test]
async fn mistakes_carry_the_words_of_datafusion() {
    let lake = lake().await;
    for (sql, words) in [
        ("SELEC n FROM numbers", "SELEC"),
        ("SELECT nothing FROM numbers", "nothing"),
        ("SELECT * FROM nowhere", "table 'nowhere' not found"),
        (
            "SELECT * FROM elsewhere.numbers",
            "table 'elsewhere.numbers' not found",
        ),
        ("SELECT n + 'x' FROM numbers", "int64 + string"),
        ("SELECT 1 / (n - n) FROM numbers", "Divide by zero"),
    ] {
        let error = lake.refused("numbers", sql).await;
        assert_eq!(error.kind, ErrorKind::DataFusionError, "{sql}");
        assert!(error.message.contains(words), "{sql}: {error}");
    }
}

#[tokio::test]
async fn frames_are_found_as_their_users_write_them() {
    let lake = Lake::new(Config::default()).await;
    lake.numbers("MyFrame", [1]).await;
    lake.numbers("My.Frame", [2]).await;
    lake.numbers("nyc/MyFrame", [3]).await;
    lake.numbers("nyc/flights", [4]).await;
    lake.numbers("case", [5]).await;
    lake.numbers("CASE", [6]).await;
    for (frame, sql, expected) in [
        ("MyFrame", "SELECT n FROM MyFrame", 1),
        ("MyFrame", "SELECT N FROM myframe", 1),
        ("MyFrame", "SELECT MYFRAME.n FROM \"MyFrame\"", 1),
        ("MyFrame", "SELECT n FROM My.Frame", 2),
        ("MyFrame", "SELECT n FROM \"My.Frame\"", 2),
        ("MyFrame", "SELECT n FROM nyc.MyFrame", 3),
        ("MyFrame", "SELECT NYC.FLIGHTS.N FROM NYC.FLIGHTS", 4),
        ("nyc/flights", "SELECT n FROM MyFrame", 3),
        ("nyc/flights", "SELECT n FROM nyc.flights", 4),
        ("case", "SELECT n FROM case", 5),
        ("case", "SELECT n FROM CASE", 6),
        (
            "MyFrame",
            "WITH Foo AS (SELECT * FROM MyFrame) SELECT n FROM foo",
            1,
        ),
    ] {
        assert_eq!(lake.asked_numbers(frame, sql).await, [expected], "{sql}");
    }
    for sql in [
        "SELECT n FROM \"myframe\"",
        "SELECT \"N\" FROM MyFrame",
        "SELECT n FROM Case_",
        "SELECT n FROM Case",
        "SELECT n FROM flights",
    ] {
        lake.refused("MyFrame", sql).await;
    }
    let named = lake
        .ask("MyFrame", "SELECT avg(N) AS Mean, max(N) FROM myframe")
        .await
        .unwrap();
    let schema = named.schema();
    assert_eq!(schema.field(0).name(), "Mean");
    assert_eq!(schema.field(1).name(), "max(MyFrame.n)");
}

#[tokio::test]
async fn a_query_reads_the_version_that_was_asked_for() {
    let lake = lake().await;
    lake.numbers("numbers", 10..20).await;
    for (version, rows) in [(None, 20), (Some(1), 10), (Some(-1), 20), (Some(2), 20)] {
        let as_of = version.map(AsOf::Version);
        let sql = "SELECT count(*) FROM numbers a, (SELECT 1) b";
        let plan = lake.plan_as_of("numbers", sql, as_of).await.unwrap();
        let counted = collect(plan).await.unwrap();
        assert_eq!(counted.column(0).as_primitive::<Int64Type>().value(0), rows);
    }
}

#[tokio::test]
async fn rows_come_in_the_order_of_the_frame() {
    let config = Config::default();
    let lake = Lake::new(config).await;
    for part in 0..7 {
        lake.numbers("numbers", part * 1000..(part + 1) * 1000)
            .await;
    }
    let all: Vec<i64> = (0..7000).collect();
    let even: Vec<i64> = (0..7000).filter(|n| n % 2 == 0).collect();
    for _ in 0..5 {
        for (sql, expected) in [
            ("SELECT n FROM numbers", &all[..]),
            ("SELECT n FROM numbers WHERE n % 2 = 0", &even),
            ("SELECT n FROM numbers LIMIT 5", &all[..5]),
            (
                "SELECT n FROM numbers WHERE n % 2 = 0 LIMIT 3000",
                &even[..3000],
            ),
            (
                "SELECT n FROM numbers LIMIT 10 OFFSET 1995",
                &all[1995..2005],
            ),
            (
                "SELECT n FROM (SELECT n FROM numbers LIMIT 3500) WHERE n % 2 = 0",
                &even[..1750],
            ),
            (
                "SELECT n FROM numbers WHERE n < 3500 UNION ALL SELECT n FROM numbers WHERE n >= 3500",
                &all,
            ),
        ] {
            assert_eq!(lake.asked_numbers("numbers", sql).await, expected, "{sql}");
        }
    }
    let numbered = lake
        .ask(
            "numbers",
            "SELECT row_number() OVER () AS r, n FROM numbers",
        )
        .await
        .unwrap();
    assert_eq!(
        numbered.column(1).as_primitive::<Int64Type>().values(),
        &all[..]
    );
}

#[tokio::test]
async fn columns_and_rows_of_a_result_can_be_selected_by_the_ticket() {
    let lake = lake().await;
    let snapshot = lake
        .store
        .frame(&id("numbers"))
        .snapshot(None)
        .await
        .unwrap();
    let columns = vec!["Twice".to_owned(), "n".to_owned()];
    let question = Question {
        sql: "SELECT n, n * 2 AS Twice FROM numbers".to_owned(),
        scope: Scope::of(&snapshot, None),
        parameters: Parameters::default(),
        columns: Some(columns),
        offset: Some(3),
        limit: Some(2),
    };
    let plan = lake
        .queries
        .plan(&(&lake.store).into(), question)
        .await
        .unwrap();
    let rows = collect(plan).await.unwrap();
    assert_eq!(rows.schema().field(0).name(), "Twice");
    assert_eq!(rows.column(0).as_primitive::<Int64Type>().values(), &[6, 8]);
    assert_eq!(rows.column(1).as_primitive::<Int64Type>().values(), &[3, 4]);
}

#[tokio::test]
async fn types_and_metadata_pass_through() {
    let lake = Lake::new(Config::default()).await;
    let batch = typed_batch();
    lake.put("typed", batch.clone()).await;
    let all = lake.ask("typed", "SELECT * FROM typed").await.unwrap();
    assert_eq!(all, batch);
    let some = lake
        .ask(
            "typed",
            "SELECT \"when\", text, kind FROM typed WHERE price > 1 ORDER BY price DESC",
        )
        .await
        .unwrap();
    let schema = some.schema();
    for name in ["when", "text", "kind"] {
        assert_eq!(
            schema.field_with_name(name).unwrap(),
            batch.schema().field_with_name(name).unwrap()
        );
    }
    assert_eq!(schema.metadata()["owner"], "me");
    let grouped = lake
        .ask(
            "typed",
            "SELECT kind, count(*) AS c FROM typed GROUP BY kind ORDER BY kind",
        )
        .await
        .unwrap();
    assert_eq!(
        grouped.schema().field(0).data_type(),
        batch.schema().field(3).data_type()
    );
    let made = lake
        .ask(
            "typed",
            "SELECT upper(text), substr(text, 1, 1), CAST(price AS VARCHAR), 'x' FROM typed",
        )
        .await
        .unwrap();
    for field in made.schema().fields() {
        assert_eq!(field.data_type(), &DataType::Utf8, "{}", field.name());
    }
    let none = lake
        .ask("typed", "SELECT * FROM typed WHERE price = 99")
        .await
        .unwrap();
    assert_eq!(none.num_rows(), 0);
    assert_eq!(none.schema(), batch.schema());
}

#[tokio::test]
async fn pandas_metadata_follows_the_columns_that_are_left() {
    let lake = Lake::new(Config::default()).await;
    let described = r#"{"index_columns":["when"],"columns":[
        {"name":"price","field_name":"price","pandas_type":"float64","numpy_type":"float64","metadata":null},
        {"name":"when","field_name":"when","pandas_type":"datetimetz","numpy_type":"datetime64[ns]","metadata":null}]}"#;
    let mut schema = Schema::clone(&typed_batch().schema());
    schema.metadata.insert("pandas".into(), described.into());
    let columns = typed_batch().columns().to_vec();
    let batch = RecordBatch::try_new(Arc::new(schema), columns).unwrap();
    lake.put("typed", batch.clone()).await;
    let all = lake.ask("typed", "SELECT * FROM typed").await.unwrap();
    assert_eq!(all.columns(), batch.columns());
    for (sql, index, columns) in [
        ("SELECT \"when\" FROM typed", vec!["when"], vec!["when"]),
        ("SELECT price FROM typed", vec![], vec!["price"]),
        ("SELECT count(price) AS price FROM typed", vec![], vec![]),
    ] {
        let schema = lake.ask("typed", sql).await.unwrap().schema();
        let kept: serde_json::Value = serde_json::from_str(&schema.metadata()["pandas"]).unwrap();
        assert_eq!(kept["index_columns"], serde_json::json!(index), "{sql}");
        let names = kept["columns"]
            .as_array()
            .unwrap()
            .iter()
            .map(|c| c["name"].as_str().unwrap());
        assert_eq!(names.collect::<Vec<_>>(), columns, "{sql}");
    }
}

fn typed_batch() -> RecordBatch {
    let extension = HashMap::from([("ARROW:extension:name".to_owned(), "shoots.test".to_owned())]);
    let zone = DataType::Timestamp(TimeUnit::Nanosecond, Some("America/New_York".into()));
    let kind = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    let fields = vec![
        Field::new("price", DataType::Float64, true).with_metadata(extension),
        Field::new("when", zone, false),
        Field::new("text", DataType::Utf8, true),
        Field::new("kind", kind, true),
    ];
    let metadata = HashMap::from([("owner".to_owned(), "me".to_owned())]);
    let schema = Arc::new(Schema::new_with_metadata(fields, metadata));
    let times = TimestampNanosecondArray::from(vec![1, 2, 3]).with_timezone("America/New_York");
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Float64Array::from(vec![Some(1.5), None, Some(f64::NAN)])),
        Arc::new(times),
        Arc::new(StringArray::from(vec![Some("a"), Some(""), None])),
        Arc::new(
            vec![Some("x"), None, Some("x")]
                .into_iter()
                .collect::<DictionaryArray<Int32Type>>(),
        ),
    ];
    RecordBatch::try_new(schema, columns).unwrap()
}

#[tokio::test]
async fn counting_reads_nothing() {
    let lake = lake().await;
    let plan = lake
        .plan("numbers", "SELECT count(*) FROM numbers")
        .await
        .unwrap();
    let shown = displayable(plan.physical.as_ref())
        .indent(false)
        .to_string();
    assert!(!shown.contains("FrameScan"), "{shown}");
    let plan = lake
        .plan("numbers", "SELECT n FROM numbers LIMIT 3")
        .await
        .unwrap();
    let shown = displayable(plan.physical.as_ref())
        .indent(false)
        .to_string();
    assert!(shown.contains("limit=3"), "{shown}");
}

/// Just within the bound, the deepest trees there are must fit on the stack.
#[tokio::test]
async fn deep_statements_are_planned_or_refused_but_end_nothing() {
    let lake = Lake::new(Config::default()).await;
    lake.numbers("f", 0..3).await;
    let links = 900;
    for sql in [
        format!("select n from f where n=0{}", " or n=1".repeat(links / 2)),
        format!("select n{} from f", "+n".repeat(links)),
        format!("select n{} from f", "::bigint".repeat(links)),
        format!(
            "select n from f{}",
            " union all select n from f".repeat(300)
        ),
        format!("select count(*) from f{}", one_row_tables(199)),
    ] {
        lake.ask("f", &sql).await.unwrap();
    }
    for sql in [
        format!("select n{} from f", "+n".repeat(100_000)),
        format!("select n from f{}", " union select n from f".repeat(20_000)),
    ] {
        let refused = lake.refused("f", &sql).await;
        assert_eq!(refused.kind, ErrorKind::InvalidRequestError);
    }
}

fn one_row_tables(number: usize) -> String {
    let tables = (0..number).map(|t| format!(", (select {t} as c{t}) t{t}"));
    tables.collect()
}

/// Joins yield, each for itself: were they to share the runtime's count, which ends at 128, none would ever be done.
#[tokio::test]
async fn a_query_of_many_joins_comes_to_its_end() {
    let lake = Lake::new(Config::default()).await;
    lake.numbers("f", 0..3).await;
    let tables = one_row_tables(199);
    let sql = format!("select n + c198 from f{tables} where n + c0 > 0");
    assert_eq!(lake.asked_numbers("f", &sql).await, [199, 200]);
    let chain: String = (0..150)
        .map(|t| format!(" left join f f{t} on f{t}.n = f.n"))
        .collect();
    let sql = format!("select f149.n from f{chain} order by f149.n");
    assert_eq!(lake.asked_numbers("f", &sql).await, [0, 1, 2]);
}
