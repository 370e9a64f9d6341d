//! Flight SQL, as arrow's own client speaks it, and as nobody should.

mod hostile;
mod ingestion;
mod listings;
mod statements;

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_flight::FlightInfo;
use arrow_flight::error::FlightError;
use arrow_flight::sql::client::FlightSqlServiceClient;
use futures::TryStreamExt;
use shoots_client::{PutMode, ShootsClient};
use tonic::Code;
use tonic::transport::{Channel, Endpoint};

use crate::rows::{put, rows};
use crate::server::Server;

type Client = FlightSqlServiceClient<Channel>;

async fn client(server: &Server) -> Client {
    let endpoint = Endpoint::from_shared(format!("http://{}", server.address())).unwrap();
    Client::new(endpoint.connect().await.unwrap())
}

/// A server with ten rows in `numbers`, and four in `nyc/numbers`.
async fn lake() -> (Server, ShootsClient, Client) {
    let server = Server::start().await;
    let shoots = server.client().await;
    put(&shoots, "numbers", PutMode::Error, rows(0..10)).await;
    put(&shoots, "nyc/numbers", PutMode::Error, rows(100..104)).await;
    let client = client(&server).await;
    (server, shoots, client)
}

/// What an info promises, after checking that it is what comes.
async fn fetch(client: &mut Client, info: FlightInfo) -> RecordBatch {
    let promised = Arc::new(info.clone().try_decode_schema().unwrap());
    let [endpoint] = info.endpoint.as_slice() else {
        panic!("{} endpoints", info.endpoint.len());
    };
    let ticket = endpoint.ticket.clone().unwrap();
    let batches = client.do_get(ticket).await.unwrap();
    let batches: Vec<RecordBatch> = batches.try_collect().await.unwrap();
    assert!(batches.iter().all(|batch| batch.schema() == promised));
    arrow_select::concat::concat_batches(&promised, &batches).unwrap()
}

async fn ask(client: &mut Client, sql: &str) -> RecordBatch {
    let info = client.execute(sql.to_owned(), None).await.unwrap();
    fetch(client, info).await
}

/// What a call was refused with, whatever the layers around it.
#[track_caller]
fn told<T>(outcome: Result<T, FlightError>) -> (Code, String) {
    match outcome {
        Err(FlightError::Tonic(status)) => (status.code(), status.message().to_owned()),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it was not refused"),
    }
}

fn told_code<T>(outcome: Result<T, FlightError>) -> Code {
    told(outcome).0
}
