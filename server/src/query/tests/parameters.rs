//! Values for the places that a query leaves open: where they may stand, and what does not fit.

use datafusion::scalar::ScalarValue;
use shoots_proto::QueryParameters;

use super::*;

async fn planned(lake: &Lake, sql: &str, parameters: Parameters) -> Result<Plan, Failure> {
    let scope = Scope {
        bucket: None,
        frame: None,
        as_of: None,
    };
    let question = Question {
        sql: sql.to_owned(),
        scope,
        parameters,
        columns: None,
        offset: None,
        limit: None,
    };
    lake.queries.plan(&(&lake.store).into(), question).await
}

/// What a query gives with values as JSON.
async fn asked(lake: &Lake, sql: &str, values: &str) -> Result<RecordBatch, Failure> {
    let values: QueryParameters = serde_json::from_str(values).unwrap();
    collect(planned(lake, sql, (&values).into()).await?).await
}

#[tokio::test]
async fn values_take_the_places_of_parameters() {
    let lake = lake().await;
    for (sql, values, expected) in [
        ("select n from numbers where n > $1", "[7]", vec![8, 9]),
        (
            "select n from numbers where n > ? and n < ?",
            "[3, 6]",
            vec![4, 5],
        ),
        (
            "select n from numbers where n in (?, ?) order by n",
            "[9, 2]",
            vec![2, 9],
        ),
        (
            "select n from numbers where n = $1 or n = $1 + 1",
            "[2]",
            vec![2, 3],
        ),
        (
            "select n from numbers order by n limit ? offset ?",
            "[2, 5]",
            vec![5, 6],
        ),
        (
            "select n from numbers where n = $Of",
            r#"{"Of": 4}"#,
            vec![4],
        ),
        (
            "select $2 + n from numbers where n = $1",
            "[1, 40]",
            vec![41],
        ),
        (
            "select n from numbers where n = (select max(n) from numbers where n < $1)",
            "[5]",
            vec![4],
        ),
        ("with t as (select ? as k) select k from t", "[3]", vec![3]),
        ("select n from numbers where n > $1", r#"["8"]"#, vec![9]),
        ("select n from numbers where n > $1", "[7.5]", vec![8, 9]),
        ("select n from numbers where n = $1", "[null]", vec![]),
        ("select 1", "[]", vec![1]),
        ("select 1", "{}", vec![1]),
    ] {
        let batch = asked(&lake, sql, values).await.unwrap();
        let numbers = batch.column(0).as_primitive::<Int64Type>();
        assert_eq!(numbers.values(), &expected, "{sql}");
    }
    let plan = asked(&lake, "explain select n from numbers where n > ?", "[7]").await;
    assert!(plan.unwrap().num_rows() > 0);
}

#[tokio::test]
async fn a_value_is_never_read_as_sql() {
    let lake = lake().await;
    let value = r#"["' or 1 = 1 --"]"#;
    let batch = asked(&lake, "select count(*) from numbers where 'a' = $1", value).await;
    let batch = batch.unwrap();
    assert_eq!(batch.column(0).as_primitive::<Int64Type>().values(), &[0]);
}

#[tokio::test]
async fn values_that_are_missing_or_too_many_are_told() {
    let lake = lake().await;
    for (sql, values, told) in [
        (
            "select ?, ?",
            "[1]",
            "has 2 parameters ($1, $2), and 1 value was given",
        ),
        (
            "select ?",
            "[]",
            "has 1 parameter ($1), and no value was given",
        ),
        ("select ?", "[1, 2]", "2 values were given"),
        (
            "select 1",
            "[1]",
            "has no parameters, and 1 value was given",
        ),
        ("select $a", "[1]", "have names ($a)"),
        ("select $1", r#"{"a": 1}"#, "have numbers ($1)"),
        ("select $a, $b", r#"{"a": 1}"#, "$b has no value"),
        (
            "select $a",
            r#"{"a": 1, "b": 1}"#,
            "$b, which is no parameter",
        ),
        ("select 1", r#"{"b": 1}"#, "it has none"),
        ("select $1, $3", "[1, 2, 3]", "without gaps"),
        ("select $99999999999", "[1]", "without gaps"),
        ("select $0", "[1]", "zero"),
        ("select $1, $a", "[1]", "numbers and with names"),
        ("select n from ?", r#"["numbers"]"#, "found: $1"),
    ] {
        let failure = asked(&lake, sql, values).await.unwrap_err();
        assert!(failure.to_string().contains(told), "{sql}: {failure}");
    }
}

#[tokio::test]
async fn a_query_tells_the_types_of_its_parameters() {
    let lake = lake().await;
    let sql = "select n, $2 as x from numbers where n > $1";
    let plan = planned(&lake, sql, Parameters::Open).await.unwrap();
    let types: Vec<DataType> = plan
        .parameters()
        .fields()
        .iter()
        .map(|field| field.data_type().clone())
        .collect();
    assert_eq!(types, [DataType::Int64, DataType::Null]);
    assert_eq!(plan.schema().field(0).data_type(), &DataType::Int64);
    let row = vec![
        ("whatever".to_owned(), ScalarValue::from(8_i64)),
        ("its name".to_owned(), ScalarValue::from("x")),
    ];
    let plan = planned(&lake, sql, Parameters::Row(row)).await.unwrap();
    assert_eq!(plan.schema().field(1).data_type(), &DataType::Utf8);
    assert_eq!(collect(plan).await.unwrap().num_rows(), 1);
}
