//! Writing a version to a file on the client's side.

use std::sync::Arc;

use arrow_array::types::Int32Type;
use arrow_array::{ArrayRef, Int32Array, ListArray, RecordBatch, StringArray};
use shoots_client::{AsOf, ErrorKind, PutMode};
use shoots_store::{ReadOptions, Store};
use tempfile::TempDir;

use super::{all, hours, put, told};
use crate::refusal::{assert_not_sent, assert_says};
use crate::server::Server;

fn names(folder: &TempDir) -> Vec<String> {
    let entries = std::fs::read_dir(folder.path()).unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

#[tokio::test]
async fn a_version_becomes_a_parquet_file_that_a_store_reads_as_a_frame() {
    let server = Server::start().await;
    let client = server.client().await;
    let frame = client.frame("weather");
    put(&frame, PutMode::Error, hours(0..1000)).await;
    let before = all(&frame).await;
    put(&frame, PutMode::Append, hours(1000..1001)).await;
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("before.parquet");
    std::fs::write(&path, b"something else").unwrap();
    let exported = frame
        .get()
        .as_of(AsOf::Version(1))
        .export(&path)
        .await
        .unwrap();
    assert_eq!(
        (exported.rows, exported.bytes),
        (2000, std::fs::metadata(&path).unwrap().len())
    );
    assert_eq!(names(&folder), ["before.parquet"]);
    let store = Store::open(folder.path().to_str().unwrap()).await.unwrap();
    let frames = store.frames(None).await.unwrap();
    let read = frames[0].read(ReadOptions::default()).await.unwrap();
    let schema = read.schema();
    let read =
        arrow_select::concat::concat_batches(&schema, &read.collect().await.unwrap()).unwrap();
    assert_eq!(told(&read), told(&before));
    server.stop().await;
}

#[tokio::test]
async fn a_version_becomes_a_csv_file() {
    let server = Server::start().await;
    let client = server.client().await;
    let columns: [(&str, ArrayRef); 2] = [
        ("n", Arc::new(Int32Array::from(vec![Some(1), None]))),
        ("say \"so\"", Arc::new(StringArray::from(vec!["a,b", "c"]))),
    ];
    let rows = RecordBatch::try_from_iter_with_nullable(
        columns.map(|(name, column)| (name, column, true)),
    );
    client.put("rows").send_batch(rows.unwrap()).await.unwrap();
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("rows.CSV");
    client.get("rows").export(&path).await.unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text, "n,\"say \"\"so\"\"\"\n1,\"a,b\"\n,c\n");
    client.get("rows").limit(0).export(&path).await.unwrap();
    assert_eq!(
        std::fs::read_to_string(&path).unwrap(),
        "n,\"say \"\"so\"\"\"\n"
    );
    server.stop().await;
}

#[tokio::test]
async fn an_export_that_cannot_be_leaves_nothing() {
    let server = Server::start().await;
    let client = server.client().await;
    let lists = ListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![Some(1)]), None]);
    let columns: [(&str, ArrayRef); 2] = [
        ("n", Arc::new(Int32Array::from(vec![1, 2]))),
        ("many", Arc::new(lists)),
    ];
    let rows = RecordBatch::try_from_iter_with_nullable(
        columns.map(|(name, column)| (name, column, true)),
    );
    client.put("rows").send_batch(rows.unwrap()).await.unwrap();
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("rows.csv");
    let nested = client.get("rows").export(&path).await;
    assert_not_sent(nested, ErrorKind::SchemaError, &["`many`", "Parquet"]);
    assert!(
        client
            .get("rows")
            .columns(["n"])
            .export(&path)
            .await
            .is_ok()
    );
    let other = client
        .get("rows")
        .export(folder.path().join("rows.xls"))
        .await;
    assert_not_sent(
        other,
        ErrorKind::InvalidRequestError,
        &[".parquet", "rows.xls"],
    );
    let missing = client
        .get("nothing")
        .export(folder.path().join("nothing.csv"))
        .await
        .unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::FileNotFoundError);
    let nowhere = client
        .get("rows")
        .export(folder.path().join("no/rows.parquet"))
        .await
        .unwrap_err();
    assert_eq!(nowhere.kind(), ErrorKind::ShootsIOError);
    assert_says(&nowhere.to_string(), &["no/rows.parquet"]);
    assert_eq!(names(&folder), ["rows.csv"]);
    server.stop().await;
}
