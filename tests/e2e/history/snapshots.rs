//! The state of many frames under one name.

use shoots_client::proto::SnapshotName;
use shoots_client::{AsOf, ErrorKind, PutMode};

use super::{hours, put};
use crate::refusal::assert_refused;
use crate::server::Server;

#[tokio::test]
async fn a_snapshot_names_frames_of_several_buckets() {
    let server = Server::start().await;
    let client = server.client().await;
    for name in ["rates", "other", "nyc/a", "nyc/b"] {
        put(&client.frame(name), PutMode::Error, hours(0..1)).await;
    }
    let taken = client
        .snapshot("year end")
        .frame("rates")
        .bucket("nyc")
        .message("2013");
    let taken = taken.send().await.unwrap();
    let mut names: Vec<&str> = taken
        .frames
        .iter()
        .map(|frame| frame.name.as_str())
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["a", "b", "rates"]);
    put(&client.frame("nyc/a"), PutMode::Append, hours(1..5)).await;
    let year_end = AsOf::Snapshot(SnapshotName::parse("year end").unwrap());
    let then = client.get("nyc/a").as_of(year_end.clone()).collect_one();
    assert_eq!(then.await.unwrap().num_rows(), 2);
    let other = client.get("other").as_of(year_end).collect().await;
    assert_refused(other, ErrorKind::FileNotFoundError, &["year end"]);
    let again = client.snapshot("year end").default_bucket().send().await;
    assert_refused(again, ErrorKind::FileExistsError, &["year end"]);
    let listed = client.snapshots().send().await.unwrap().snapshots;
    assert_eq!(
        (listed.len(), listed[0].message.as_deref()),
        (1, Some("2013"))
    );
    assert_eq!(
        client
            .drop_snapshot("year end")
            .send()
            .await
            .unwrap()
            .frames,
        3
    );
    let gone = client.drop_snapshot("year end").send().await;
    assert_refused(gone, ErrorKind::FileNotFoundError, &["year end"]);
    let nothing = client.snapshot("empty").send().await;
    assert_refused(nothing, ErrorKind::InvalidRequestError, &["frames"]);
    server.stop().await;
}
