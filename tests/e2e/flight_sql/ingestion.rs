//! Bulk ingestion: one commit in each mode, or none.

use arrow_flight::FlightDescriptor;
use arrow_flight::error::FlightError;
use arrow_flight::sql::{
    CommandStatementIngest, ProstMessageExt, TableDefinitionOptions, TableExistsOption,
    TableNotExistOption,
};
use bytes::Bytes;
use futures::stream;
use prost::Message;
use serde_json::json;
use tonic::Code;

use super::{lake, told, told_code};
use crate::peer::messages;
use crate::rows::{get, rows, schema};

pub(super) fn append() -> (TableNotExistOption, TableExistsOption) {
    (TableNotExistOption::Create, TableExistsOption::Append)
}

pub(super) fn ingest(
    table: &str,
    (missing, exists): (TableNotExistOption, TableExistsOption),
) -> CommandStatementIngest {
    CommandStatementIngest {
        table_definition_options: Some(TableDefinitionOptions {
            if_not_exist: missing.into(),
            if_exists: exists.into(),
        }),
        table: table.to_owned(),
        ..Default::default()
    }
}

#[tokio::test]
async fn ingestion_is_one_commit_in_each_mode() {
    use {TableExistsOption as Exists, TableNotExistOption as Missing};
    let (server, shoots, mut client) = lake().await;
    for (modes, count, expected) in [
        ((Missing::Fail, Exists::Append), None, Some(Code::NotFound)),
        ((Missing::Create, Exists::Fail), Some(4), None),
        (
            (Missing::Create, Exists::Fail),
            Some(4),
            Some(Code::AlreadyExists),
        ),
        ((Missing::Fail, Exists::Append), Some(8), None),
        ((Missing::Fail, Exists::Replace), Some(4), None),
        ((Missing::Create, Exists::Append), Some(8), None),
        ((Missing::Create, Exists::Replace), Some(4), None),
        (
            (Missing::Unspecified, Exists::Append),
            Some(4),
            Some(Code::InvalidArgument),
        ),
    ] {
        let batches = stream::iter([Ok(rows(0..2)), Ok(rows(2..4))]);
        let outcome = client.execute_ingest(ingest("f", modes), batches).await;
        match expected {
            None => assert_eq!(outcome.unwrap(), 4, "{modes:?}"),
            Some(code) => assert_eq!(told_code(outcome), code, "{modes:?}"),
        }
        let rows = shoots.info("f").await.ok().map(|info| info.summary.rows);
        assert_eq!(rows, count, "{modes:?}");
    }
    assert_eq!(get(&shoots, "f").await, rows(0..4));
    assert_eq!(shoots.info("f").await.unwrap().summary.version, Some(5));

    let mut command = ingest("f", append());
    command.schema = Some("a bucket".to_owned());
    command.catalog = Some("shoots".to_owned());
    let options = [
        ("index", "n"),
        ("message", "from a tool"),
        ("request_id", "1"),
    ];
    command.options = options.map(|(k, v)| (k.to_owned(), v.to_owned())).into();
    for _ in 0..2 {
        let batches = stream::iter([Ok(rows(0..3))]);
        client
            .execute_ingest(command.clone(), batches)
            .await
            .unwrap();
    }
    let info = shoots.info("a bucket/f").await.unwrap();
    assert_eq!(
        info.summary.rows, 3,
        "the second has the first's request_id"
    );
    assert_eq!(info.summary.message.as_deref(), Some("from a tool"));
    let upsert = [("mode".to_owned(), "upsert".to_owned())];
    let upsert = CommandStatementIngest {
        options: upsert.into(),
        ..command.clone()
    };
    let batches = stream::iter([Ok(rows(2..5))]);
    client.execute_ingest(upsert, batches).await.unwrap();
    assert_eq!(get(&shoots, "a bucket/f").await, rows(0..5));

    for (bad, word) in [
        (
            CommandStatementIngest {
                temporary: true,
                ..command.clone()
            },
            "temporary",
        ),
        (
            CommandStatementIngest {
                catalog: Some("x".into()),
                ..command.clone()
            },
            "catalog",
        ),
        (
            CommandStatementIngest {
                schema: Some("a/b".into()),
                ..command.clone()
            },
            "schema",
        ),
        (
            CommandStatementIngest {
                table: String::new(),
                ..command.clone()
            },
            "table",
        ),
        (
            CommandStatementIngest {
                options: [("speed".to_owned(), "high".to_owned())].into(),
                ..command.clone()
            },
            "speed",
        ),
        (
            CommandStatementIngest {
                table_definition_options: None,
                ..command.clone()
            },
            "if_not_exist",
        ),
        (
            CommandStatementIngest {
                transaction_id: Some(Bytes::from_static(b"1")),
                ..command
            },
            "transaction",
        ),
    ] {
        let outcome = client
            .execute_ingest(bad, stream::iter([Ok(rows(9..10))]))
            .await;
        let (_, message) = told(outcome);
        assert!(message.contains(word), "{word}: {message}");
    }
    assert_eq!(get(&shoots, "a bucket/f").await, rows(0..5));
    server.stop().await;
}

#[tokio::test]
async fn a_table_of_which_nothing_is_sent_is_told_apart() {
    let (server, _, mut client) = lake().await;
    let outcome = match client.do_put(stream::iter([])).await {
        Ok(mut answers) => answers.message().await.map(|_| ()),
        Err(FlightError::Tonic(status)) => Err(*status),
        Err(other) => panic!("{other}"),
    };
    let status = outcome.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert!(status.message().contains("at least one row"), "{status}");
    server.stop().await;
}

#[tokio::test]
async fn no_bucket_is_called_as_the_schema_that_tells_what_there_is() {
    let (server, shoots, mut client) = lake().await;
    for bucket in ["information_schema", "Information_Schema"] {
        let command = CommandStatementIngest {
            schema: Some(bucket.into()),
            ..ingest("f", append())
        };
        let batches = stream::iter([Ok(rows(0..2))]);
        let (code, message) = told(client.execute_ingest(command, batches).await);
        assert_eq!(code, Code::InvalidArgument, "{message}");
        assert!(message.contains("another name"), "{message}");
    }
    assert_eq!(shoots.buckets().await.unwrap().len(), 1);
    server.stop().await;
}

#[tokio::test]
async fn an_ingestion_that_breaks_off_changes_nothing() {
    let (server, shoots, mut client) = lake().await;
    let command = ingest("numbers", append()).as_any().encode_to_vec();
    let mut sent = messages(&json!({}), schema(), vec![rows(0..2), rows(2..4)]).await;
    sent[0].flight_descriptor = Some(FlightDescriptor::new_cmd(command));
    let last = sent.len() - 1;
    sent[last].data_body = Bytes::from_static(b"short");
    let outcome = client.do_put(stream::iter(sent)).await;
    let outcome = match outcome {
        Ok(mut answers) => answers.message().await.map(|_| ()),
        Err(FlightError::Tonic(status)) => Err(*status),
        Err(other) => panic!("{other}"),
    };
    assert_eq!(outcome.unwrap_err().code(), Code::InvalidArgument);
    assert_eq!(get(&shoots, "numbers").await, rows(0..10));
    server.stop().await;
}
