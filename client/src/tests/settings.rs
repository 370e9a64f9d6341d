//! What the builder refuses, and what of its settings travels.

use shoots_proto::ErrorKind;

use super::double::{Double, one};
use crate::ShootsClient;

fn pinged() -> Double {
    Double::new().action(|_, _| async { one(arrow_flight::Result::new("pong")) })
}

#[tokio::test]
async fn a_token_is_not_sent_in_the_clear() {
    let double = pinged();
    let address = double.serve().await;
    let error = ShootsClient::builder(&address)
        .token("secret")
        .connect()
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidRequestError);
    assert!(error.to_string().contains("token_without_tls"), "{error}");
    assert!(
        ShootsClient::builder(&address)
            .token("secret")
            .connect_lazy()
            .is_err()
    );
    assert_eq!(double.calls(), 0);
}

#[tokio::test]
async fn a_token_that_may_travel_in_the_clear_goes_with_every_call() {
    let double = pinged();
    let client = ShootsClient::builder(double.serve().await)
        .token("secret")
        .token_without_tls(true)
        .connect()
        .await
        .unwrap();
    client.ping().await.unwrap();
    assert_eq!(double.header("authorization").unwrap(), "Bearer secret");
    client.actions().await.unwrap();
    client.clone().ping().await.unwrap();
    assert_eq!(double.header("authorization").unwrap(), "Bearer secret");
}

#[tokio::test]
async fn a_token_with_line_breaks_is_refused_and_not_shown() {
    let builder = ShootsClient::builder("grpc+tls://localhost").token("se\ncret");
    assert!(!format!("{builder:?}").contains("cret"));
    let error = builder.connect().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidRequestError);
    assert!(!format!("{error:?}").contains("cret"));
}

#[tokio::test]
async fn the_client_names_itself() {
    let double = pinged();
    let client = ShootsClient::connect(double.serve().await).await.unwrap();
    client.ping().await.unwrap();
    let agent = double.header("user-agent").unwrap();
    let own = format!("shoots-rust/{} ", env!("CARGO_PKG_VERSION"));
    assert!(agent.starts_with(&own), "{agent}");
    assert_eq!(double.header("authorization"), None);
}

#[tokio::test]
async fn settings_for_encryption_need_an_encrypted_address() {
    let plain = || ShootsClient::builder("grpc://localhost:1");
    for builder in [
        plain().ca_certificate("pem"),
        plain().identity("pem", "pem"),
        plain().domain_name("example"),
    ] {
        let error = builder.connect().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidRequestError);
        assert!(error.to_string().contains("grpc+tls://"), "{error}");
    }
}

#[tokio::test]
async fn a_certificate_that_is_none_is_refused() {
    let builder = ShootsClient::builder("grpc+tls://localhost:1");
    let error = builder
        .identity("no pem", "no pem")
        .connect()
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidRequestError, "{error:?}");
}

#[tokio::test]
async fn an_encrypted_connection_to_a_plain_server_fails_as_unreachable() {
    let double = pinged();
    let address = double.serve().await.replace("grpc://", "grpc+tls://");
    let error = ShootsClient::connect(&address).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnavailableError, "{error:?}");
    assert!(error.to_string().contains(&address), "{error}");
    assert_eq!(double.calls(), 0);
}

#[test]
fn clients_and_their_requests_travel_between_threads() {
    fn travels<T: Clone + Send + Sync + 'static>() {}
    fn is_sent<T: Send + 'static>() {}
    travels::<ShootsClient>();
    is_sent::<crate::PutRequest>();
    is_sent::<crate::GetRequest>();
    is_sent::<crate::Batches>();
    is_sent::<crate::Error>();
}

#[tokio::test]
async fn every_call_can_be_spawned() {
    let double = Double::new();
    let client = ShootsClient::builder(double.serve().await)
        .retries(0)
        .connect()
        .await
        .unwrap();
    let mut calls = tokio::task::JoinSet::new();
    macro_rules! spawn {
        ($(|$client:ident| $call:expr),+ $(,)?) => {
            $(let $client = client.clone();
            calls.spawn(async move { $call.await.map(drop) });)+
        };
    }
    let rows = super::batch(3);
    let stream = futures::stream::iter([Ok::<_, std::io::Error>(rows.clone())]);
    let columns = rows.schema();
    spawn!(
        |c| c.ping(),
        |c| c.buckets(),
        |c| c.actions(),
        |c| c.list().send(),
        |c| c.info("a"),
        |c| c.schema("a"),
        |c| c.exists("a"),
        |c| c.get("a").stream(),
        |c| c.get("a").collect_one(),
        |c| c.get("a").describe(),
        |c| c.put("a").send_batch(rows),
        |c| c.put("a").send_stream(columns, stream),
        |c| c.delete("a"),
        |c| c.delete_bucket("a", shoots_proto::BucketDeleteMode::Error),
        |c| c.shutdown(),
    );
    while let Some(ended) = calls.join_next().await {
        // What the double says to them does not matter, only that they came to an end elsewhere.
        let _answer = ended.unwrap();
    }
}
