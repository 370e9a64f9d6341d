//! Which calls are repeated, and which are not.

use std::time::{Duration, Instant};

use futures::stream;
use futures::{StreamExt, TryStreamExt};
use shoots_proto::ErrorKind;
use tonic::{Code, Status};

use super::double::{Double, Wire, domain_error, one};
use super::getting::rows;
use crate::{BucketDeleteMode, Error, ShootsClient};

fn pong() -> arrow_flight::Result {
    arrow_flight::Result::new("pong")
}

#[tokio::test]
async fn a_read_that_found_the_server_unavailable_is_repeated() {
    let double = Double::new().action(|call, _| async move {
        if call < 2 {
            return Err(Status::unavailable("not yet"));
        }
        one(pong())
    });
    let client = ShootsClient::connect(double.serve().await).await.unwrap();
    client.ping().await.unwrap();
    assert_eq!(double.calls(), 3);
}

#[tokio::test]
async fn repeating_is_bounded_and_can_be_turned_off() {
    for (retries, calls) in [(2, 3), (0, 1)] {
        let double = Double::new().action(|_, _| async {
            Err(domain_error(
                ErrorKind::UnavailableError,
                Code::Unavailable,
                "stopping",
            ))
        });
        let client = ShootsClient::builder(double.serve().await).retries(retries);
        let error = client.connect().await.unwrap().ping().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnavailableError);
        assert_eq!(error.to_string(), "stopping");
        assert_eq!(double.calls(), calls);
    }
}

#[tokio::test]
async fn a_read_that_failed_otherwise_is_not_repeated() {
    let double = Double::new().action(|_, _| async {
        Err(domain_error(
            ErrorKind::ShootsIOError,
            Code::Internal,
            "disk",
        ))
    });
    let client = ShootsClient::connect(double.serve().await).await.unwrap();
    let error = client.buckets().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ShootsIOError);
    assert_eq!(double.calls(), 1);
}

#[tokio::test]
async fn a_change_is_not_repeated() {
    let double = Double::new().action(|_, _| async { Err(Status::unavailable("no")) });
    let client = ShootsClient::connect(double.serve().await).await.unwrap();
    let errors: [Error; 3] = [
        client.delete("flights").await.unwrap_err(),
        client
            .delete_bucket("nyc", BucketDeleteMode::Delete)
            .await
            .unwrap_err(),
        client.shutdown().await.unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.kind(), ErrorKind::UnavailableError, "{error}");
    }
    assert_eq!(double.calls(), 3);
}

#[tokio::test]
async fn a_get_is_repeated_only_before_its_first_data() {
    let double = Double::new().get(|call, _| async move {
        if call == 0 {
            return Err(Status::unavailable("not yet"));
        }
        let broken = stream::iter([Err(Status::unavailable("gone"))]);
        Ok(rows(2).await.chain(broken).boxed())
    });
    let client = ShootsClient::connect(double.serve().await).await.unwrap();
    let mut batches = client.get("flights").stream().await.unwrap();
    assert_eq!(double.calls(), 2);
    assert_eq!(batches.try_next().await.unwrap().unwrap().num_rows(), 2);
    let error = batches.try_next().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnavailableError);
    assert!(batches.next().await.is_none());
    assert_eq!(double.calls(), 2);
}

#[tokio::test]
async fn a_cut_connection_is_made_again() {
    let double = Double::new().action(|_, _| async { one(pong()) });
    let wire = Wire::to(&double.serve().await).await;
    let client = ShootsClient::connect(&wire.address).await.unwrap();
    client.ping().await.unwrap();
    wire.cut();
    client.ping().await.unwrap();
    assert_eq!(double.calls(), 2);
}

#[tokio::test]
async fn a_change_whose_answer_was_cut_off_is_of_unknown_outcome() {
    let (started, has_started) = tokio::sync::oneshot::channel::<()>();
    let started = std::sync::Mutex::new(Some(started));
    let double = Double::new().action(move |_, _| {
        started.lock().unwrap().take().unwrap().send(()).unwrap();
        std::future::pending()
    });
    let wire = Wire::to(&double.serve().await).await;
    let client = ShootsClient::connect(&wire.address).await.unwrap();
    let delete = tokio::spawn(async move { client.delete("flights").await });
    has_started.await.unwrap();
    wire.cut();
    let error = delete.await.unwrap().unwrap_err();
    assert!(error.is_outcome_unknown(), "{error:?}");
    assert_eq!(double.calls(), 1);
}

#[tokio::test]
async fn without_a_server_every_call_says_that_it_was_not_reached() {
    let unused = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("grpc://{}", unused.local_addr().unwrap());
    drop(unused);
    let error = ShootsClient::connect(&address).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnavailableError);
    let text = error.to_string().to_lowercase();
    assert!(
        text.contains(&address) && text.contains("refused"),
        "{error}"
    );

    let client = ShootsClient::builder(&address).connect_lazy().unwrap();
    let began = Instant::now();
    let error = client.ping().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnavailableError);
    assert!(
        began.elapsed() >= Duration::from_millis(300),
        "it was not repeated"
    );
    // It was never sent, so nothing is unknown about it.
    let error = client.delete("flights").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnavailableError, "{error:?}");
}

#[tokio::test]
async fn giving_up_is_not_repeated() {
    let double = Double::new().action(|_, _| std::future::pending());
    let client =
        ShootsClient::builder(double.serve().await).call_timeout(Duration::from_millis(50));
    let client = client.connect().await.unwrap();
    let error = client.ping().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnavailableError);
    assert_eq!(error.to_string(), "no answer to ping within 50ms");
    assert_eq!(double.calls(), 1);
    let error = client.delete("flights").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OutcomeUnknownError);
}
