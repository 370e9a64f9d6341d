//! Changing the columns of a frame.

use arrow_array::Int32Array;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use shoots_client::{AsOf, ErrorKind, PutMode};

use super::all;
use crate::refusal::assert_refused;
use crate::rows::column;
use crate::server::Server;

#[tokio::test]
async fn columns_are_added_renamed_widened_and_dropped_without_losing_older_versions() {
    let server = Server::start().await;
    let client = server.client().await;
    let frame = client.frame("counts");
    let rows = column("n", Int32Array::from(vec![1, 2, 3]));
    frame.put().send_batch(rows.clone()).await.unwrap();
    let altered = frame
        .alter()
        .rename("n", "count")
        .widen("n", "int64")
        .add("note", "string");
    let altered = altered
        .author("ada")
        .message("room for more")
        .send()
        .await
        .unwrap();
    assert_eq!((altered.version, altered.rows), (2, 3));
    let told: Vec<(&str, &str)> = altered
        .columns
        .iter()
        .map(|column| (column.name.as_str(), column.r#type.as_str()))
        .collect();
    assert_eq!(told[0].0, "count");
    assert_eq!(told[1].0, "note");
    let now = all(&frame).await;
    assert_eq!(
        now["count"].as_primitive::<Int64Type>().values(),
        &[1, 2, 3]
    );
    assert_eq!(now["note"].null_count(), 3);
    assert_eq!(
        frame
            .get()
            .as_of(AsOf::Version(1))
            .collect_one()
            .await
            .unwrap(),
        rows
    );

    let diff = frame.diff(AsOf::Version(1), None).send().await.unwrap();
    assert_eq!((diff.rows_added, diff.rows_removed), (0, 0));
    assert_eq!(
        (
            diff.columns_renamed[0].from.as_str(),
            diff.columns_renamed[0].to.as_str()
        ),
        ("n", "count")
    );
    assert_eq!(diff.columns_added[0].name, "note");

    frame.alter().drop("note").send().await.unwrap();
    frame
        .put()
        .mode(PutMode::Append)
        .send_batch(column("count", Int32Array::from(vec![4])))
        .await
        .unwrap();
    assert_eq!(all(&frame).await.num_columns(), 1);
    let invalid = ErrorKind::InvalidRequestError;
    assert_refused(
        frame.alter().drop("note").send().await,
        invalid,
        &["drop", "note"],
    );
    assert_refused(
        frame.alter().send().await,
        invalid,
        &["at least one change"],
    );
    assert_refused(
        frame.alter().widen("count", "int16").send().await,
        invalid,
        &["count"],
    );
    assert_refused(
        frame.alter().add("x", "nonsense").send().await,
        invalid,
        &["nonsense"],
    );
    server.stop().await;
}
