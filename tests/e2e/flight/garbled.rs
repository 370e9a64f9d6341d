//! Bytes that are no message of Flight at all: refused as the caller's, with the id of the call.

use bytes::{Buf, BufMut, Bytes};
use shoots_client::ErrorKind;
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::Endpoint;
use tonic::{Request, Response, Status};

use crate::peer::{assert_status, told};
use crate::server::Server;

/// Sends and takes bytes as they are.
#[derive(Default)]
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        to.put(item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(from.copy_to_bytes(from.remaining())))
    }
}

async fn send(server: &Server, call: &str, bytes: &'static [u8]) -> Result<Response<()>, Status> {
    let endpoint = Endpoint::from_shared(format!("http://{}", server.address())).unwrap();
    let mut grpc = Grpc::new(endpoint.connect().await.unwrap());
    grpc.ready().await.unwrap();
    let path = format!("/arrow.flight.protocol.FlightService/{call}");
    let path = PathAndQuery::try_from(path).unwrap();
    let request = Request::new(Bytes::from_static(bytes));
    let mut answers = grpc
        .server_streaming(request, path, Raw)
        .await?
        .into_inner();
    answers.message().await.map(|_| Response::new(()))
}

#[tokio::test]
async fn what_is_no_message_is_refused_with_the_id_of_its_call() {
    let server = Server::start().await;
    for call in [
        "GetFlightInfo",
        "GetSchema",
        "DoGet",
        "DoAction",
        "ListFlights",
    ] {
        let status = send(&server, call, b"\xff\xff\xff").await.unwrap_err();
        let message = told(&status).message;
        assert!(message.contains("(call "), "{call}: {message}");
        assert_status(
            Err::<(), _>(status),
            ErrorKind::InvalidRequestError,
            &["Protobuf"],
        );
    }
    server.stop().await;
}
