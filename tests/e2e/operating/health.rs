//! Whether a server lives and is ready: pages, gRPC's health service, and what reflection says.

use std::time::Duration;

use futures::StreamExt;
use shoots_client::ShootsClient;
use tonic::Request;
use tonic::transport::Channel;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

use super::pages::{address_of, page};
use crate::lifecycle::endless_put;
use crate::peer::Peer;
use crate::server::{Server, until};

async fn channel(server: &Server) -> Channel {
    let address = format!("http://{}", server.address());
    Channel::from_shared(address)
        .unwrap()
        .connect()
        .await
        .unwrap()
}

#[tokio::test]
async fn a_server_that_drains_lives_but_is_not_ready() {
    let mut server = Server::with(&["--metrics-port", "0"]).await;
    let address = address_of(&mut server).await;
    until("it is ready", async || {
        page(&address, "/readyz").await.0 == 200
    })
    .await;
    assert_eq!(page(&address, "/livez").await, (200, "alive\n".to_owned()));
    assert_eq!(page(&address, "/nothing").await.0, 404);
    let mut health = HealthClient::new(channel(&server).await);
    let question = HealthCheckRequest {
        service: String::new(),
    };
    let mut watched = health.watch(question.clone()).await.unwrap().into_inner();
    let first = watched.next().await.unwrap().unwrap();
    assert_eq!(first.status(), ServingStatus::Serving);
    let flight = HealthCheckRequest {
        service: "arrow.flight.protocol.FlightService".to_owned(),
    };
    let flight = health.check(flight).await.unwrap().into_inner();
    assert_eq!(flight.status(), ServingStatus::Serving);

    let mut peer = Peer::of(&server).await;
    let (put, ends) = endless_put(&mut peer).await;
    server.process().signal("TERM");
    until("it is not ready", async || {
        page(&address, "/readyz").await.0 == 503
    })
    .await;
    assert_eq!(page(&address, "/livez").await.0, 200);
    let next = watched.next().await.unwrap().unwrap();
    assert_eq!(next.status(), ServingStatus::NotServing);
    drop(ends);
    put.await.unwrap().unwrap();
    // Whoever watches does not hold up the end.
    let ended = tokio::time::timeout(Duration::from_secs(30), server.ended());
    ended.await.unwrap();
}

#[tokio::test]
async fn a_server_whose_directory_is_gone_or_another_one_is_not_ready_until_it_is_back() {
    let mut server = Server::with(&["--metrics-port", "0"]).await;
    let address = address_of(&mut server).await;
    let mut health = HealthClient::new(channel(&server).await);
    let question = HealthCheckRequest::default();
    let mut watched = health.watch(question).await.unwrap().into_inner();
    let mut next = async || watched.next().await.unwrap().unwrap().status();
    assert_eq!(next().await, ServingStatus::Serving);
    until("it is ready", async || {
        page(&address, "/readyz").await.0 == 200
    })
    .await;
    let folder = server.folder().path().to_owned();
    let away = folder.with_extension("away");
    std::fs::rename(&folder, &away).unwrap();
    assert_eq!(next().await, ServingStatus::NotServing);
    let (status, why) = page(&address, "/readyz").await;
    assert_eq!(status, 503, "{why}");
    assert!(why.contains(folder.to_str().unwrap()), "{why}");
    std::fs::create_dir(&folder).unwrap();
    until("it tells of the other directory", async || {
        let (status, why) = page(&address, "/readyz").await;
        status == 503 && why.contains("another directory is there")
    })
    .await;
    assert_eq!(page(&address, "/livez").await.0, 200);
    std::fs::remove_dir(&folder).unwrap();
    std::fs::rename(&away, &folder).unwrap();
    assert_eq!(next().await, ServingStatus::Serving);
    assert_eq!(page(&address, "/readyz").await.0, 200);
    server.stop().await;
}

#[tokio::test]
async fn a_metrics_port_that_is_taken_is_told_and_off_means_none() {
    let mut one = Server::with(&["--metrics-port", "0"]).await;
    let address = address_of(&mut one).await;
    let port = address.rsplit(':').next().unwrap().to_owned();
    let folder = crate::server::fresh_folder();
    let folder = folder.path().to_str().unwrap();
    let mut command = crate::server::binary();
    command.args([
        "--host",
        "127.0.0.1",
        "--port",
        "0",
        "--metrics-port",
        &port,
    ]);
    let (status, _, log) = crate::server::run(command.args(["--bucket-dir", folder])).await;
    assert_eq!(status, Some(1), "{log}");
    assert!(
        log.contains(&format!("cannot listen on 127.0.0.1:{port}")),
        "{log}"
    );
    let mut off = Server::start().await;
    let client: ShootsClient = off.client().await;
    client.ping().await.unwrap();
    assert!(!off.process().log().contains("metrics on"));
    off.stop().await;
    one.stop().await;
}

#[tokio::test]
async fn reflection_lists_the_services_and_describes_their_messages() {
    let server = Server::start().await;
    let mut reflection = ServerReflectionClient::new(channel(&server).await);
    let mut ask = async |question: MessageRequest| {
        let request = ServerReflectionRequest {
            host: String::new(),
            message_request: Some(question),
        };
        let request = Request::new(futures::stream::iter([request]));
        let answers = reflection.server_reflection_info(request).await.unwrap();
        let answer = answers.into_inner().next().await.unwrap().unwrap();
        answer.message_response.unwrap()
    };
    let listed = ask(MessageRequest::ListServices(String::new())).await;
    let MessageResponse::ListServicesResponse(listed) = listed else {
        panic!("{listed:?}");
    };
    let services: Vec<&str> = listed.service.iter().map(|one| one.name.as_str()).collect();
    for service in [
        "arrow.flight.protocol.FlightService",
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
    ] {
        assert!(services.contains(&service), "{services:?}");
    }
    for symbol in [
        "arrow.flight.protocol.FlightService",
        "arrow.flight.protocol.FlightInfo",
        "arrow.flight.protocol.sql.CommandStatementQuery",
    ] {
        let answer = ask(MessageRequest::FileContainingSymbol(symbol.to_owned())).await;
        assert!(
            matches!(&answer, MessageResponse::FileDescriptorResponse(files) if !files.file_descriptor_proto.is_empty()),
            "{symbol}: {answer:?}"
        );
    }
    server.stop().await;
}
