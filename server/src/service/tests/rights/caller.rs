//! A caller with a token, and a server that wants one.

use arrow_flight::flight_service_client::FlightServiceClient;
use arrow_flight::{Action, Criteria, FlightData, FlightDescriptor, Ticket};
use futures::{TryStreamExt, stream};
use serde_json::{Value, json};
use shoots_proto::action;
use tonic::transport::Channel;
use tonic::{Request, Status};

use super::super::peer::{connect, encoded, rows};
use crate::access::{BucketPattern, Grants, Wish, issue};
use crate::config::Secret;
use crate::{Config, Server};

const SECRET: &str = "a secret for tests, long enough not to be warned of";
/// A caller with a token.
pub(super) struct Caller {
    pub(super) client: FlightServiceClient<Channel>,
    pub(super) token: String,
}

pub(super) fn token(subject: &str, grants: Option<(&[&str], &[&str])>) -> String {
    let patterns = |texts: &[&str]| texts.iter().map(|text| BucketPattern::new(*text)).collect();
    let wish = Wish {
        id: "an-id".to_owned(),
        subject: Some(subject.to_owned()),
        grants: grants.map(|(read, write)| Grants {
            read: patterns(read),
            write: patterns(write),
        }),
        server: "grpc://test".to_owned(),
        now: 1_700_000_000,
        seconds: 1 << 32,
    };
    issue(&Secret::from(SECRET), wish).unwrap()
}

/// A token of an admin of another server.
pub(super) fn another() -> String {
    let wish = Wish {
        id: "an-id".to_owned(),
        subject: None,
        grants: None,
        server: String::new(),
        now: 1_700_000_000,
        seconds: 1 << 32,
    };
    issue(&Secret::from("another secret"), wish).unwrap()
}

impl Caller {
    pub(super) async fn admin(server: &Server) -> Self {
        Self::with(server, token("root", None)).await
    }

    pub(super) async fn new(server: &Server, read: &[&str], write: &[&str]) -> Self {
        Self::with(server, token("ada", Some((read, write)))).await
    }

    pub(super) async fn with(server: &Server, token: String) -> Self {
        let client = connect(server, "test").await;
        Self { client, token }
    }

    pub(super) fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        if !self.token.is_empty() {
            let bearer = format!("Bearer {}", self.token).parse().unwrap();
            request.metadata_mut().insert("authorization", bearer);
        }
        request
    }

    pub(super) async fn act(&mut self, name: &str, body: &Value) -> Result<String, Status> {
        let request = self.request(Action::new(name, body.to_string()));
        let answers = self.client.do_action(request).await?.into_inner();
        let answers: Vec<_> = answers.try_collect().await?;
        let bodies = answers.into_iter().map(|answer| answer.body.to_vec());
        Ok(String::from_utf8(bodies.collect::<Vec<_>>().concat()).unwrap())
    }

    pub(super) async fn put(&mut self, command: Value) -> Result<Value, Status> {
        let messages = encoded(&command, &[rows(0..3)]).await;
        self.send(messages).await
    }

    pub(super) async fn send(&mut self, messages: Vec<FlightData>) -> Result<Value, Status> {
        let request = self.request(stream::iter(messages));
        let answers = self.client.do_put(request).await?.into_inner();
        let answers: Vec<_> = answers.try_collect().await?;
        Ok(serde_json::from_slice(&answers[0].app_metadata).unwrap())
    }

    pub(super) async fn get(&mut self, ticket: Value) -> Result<usize, Status> {
        let request = self.request(Ticket::new(ticket.to_string()));
        let messages = self.client.do_get(request).await?.into_inner();
        Ok(messages.try_collect::<Vec<_>>().await?.len())
    }

    pub(super) async fn info(&mut self, ticket: Value) -> Result<(), Status> {
        let descriptor = FlightDescriptor::new_cmd(ticket.to_string());
        let request = self.request(descriptor.clone());
        let schema = self.client.get_schema(request).await.map(drop);
        let request = self.request(descriptor);
        let info = self.client.get_flight_info(request).await.map(drop);
        assert_eq!(schema.is_ok(), info.is_ok());
        info
    }

    pub(super) async fn list(&mut self, criteria: &str) -> Result<Vec<String>, Status> {
        let expression = criteria.to_owned().into();
        let request = self.request(Criteria { expression });
        let infos = self.client.list_flights(request).await?.into_inner();
        let infos: Vec<_> = infos.try_collect().await?;
        let paths = infos.into_iter().map(|info| info.flight_descriptor);
        Ok(paths.map(|path| path.unwrap().path.join("@")).collect())
    }
}

/// A server that wants tokens, with the frame `a` in the buckets `one`, `two` and the default one.
pub(super) async fn server() -> Server {
    let config = Config {
        port: 0,
        bucket_dir: "memory://".into(),
        secret: SECRET.into(),
        allow_insecure_auth: true,
        ..Config::default()
    };
    let server = Server::start(config).await.unwrap();
    let mut admin = Caller::admin(&server).await;
    for bucket in [json!("one"), json!("two"), Value::Null] {
        let command = json!({"name": "a", "bucket": bucket});
        admin.put(command).await.unwrap();
    }
    for (name, buckets) in [
        ("only one", json!(["one"])),
        ("both", json!(["one", "two"])),
    ] {
        let request = json!({"snapshot": name, "buckets": buckets});
        admin.act(action::SNAPSHOT, &request).await.unwrap();
    }
    server
}
