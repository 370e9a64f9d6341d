//! Tokens, wherever callers put them: whatever they show, only what was signed with the secret lets them in, and only
//! within its claims.
//!
//! An input is how it is shown, and either a token or, with the word `signed`, its header and its claims, which are
//! then signed with the secret, so that what is inside of them is looked at.

use std::time::{SystemTime, UNIX_EPOCH};

use arrow_flight::flight_service_client::FlightServiceClient;
use arrow_flight::{HandshakeRequest, Ticket};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use futures::{TryStreamExt, stream};
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};
use shoots_proto::{ErrorBody, ErrorKind};
use shoots_server::{Config, Server};
use tonic::metadata::{AsciiMetadataValue, BinaryMetadataValue, MetadataMap};
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

use super::{bytes, text};
use crate::child::{Target, Verdict};
use crate::input::Input;
use crate::wire::refused;

const SECRET: &str = "a secret for tests that is long enough";
const PREVIOUS: &str = "the one before, which is long enough too";
const HEADER: &str = r#"{"typ":"JWT","alg":"HS256"}"#;
/// HTTP/2 takes no headers that are much longer, and no token is.
const MOST_BYTES: usize = 10_000;
const WAYS: [&str; 5] = ["authorization", "bearer", "binary", "basic", "payload"];

pub(super) struct Tokens {
    client: FlightServiceClient<Channel>,
    /// The server goes on for as long as this is there.
    _server: Server,
    genuine: Vec<String>,
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    since.as_secs()
}

fn signed(secret: &str, header: &[u8], claims: &[u8]) -> String {
    let [header, claims] = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part));
    let message = format!("{header}.{claims}");
    let key = EncodingKey::from_secret(secret.as_bytes()).unwrap();
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::HS256);
    format!("{message}.{}", signature.unwrap())
}

fn claims() -> Vec<Value> {
    let exp = now() + 3600;
    vec![
        json!({"type": "admin", "exp": exp}),
        json!({"type": "admin", "exp": exp, "iat": 1, "server": "grpc://localhost:8081", "sub": "ann"}),
        json!({"type": "scoped", "exp": exp, "sub": "bob", "grants": {"read": ["nyc", "a*"], "write": ["_default"]}}),
        json!({"type": "scoped", "exp": exp, "grants": {"read": ["*"]}}),
        json!({"type": "scoped", "exp": exp, "grants": {}}),
        json!({"type": "scoped", "exp": exp}),
        json!({"type": "admin", "exp": 1}),
        json!({"type": "admin", "exp": exp, "nbf": exp}),
        json!({"type": "admin", "exp": exp, "aud": "others", "iss": "us"}),
    ]
}

impl Target for Tokens {
    const NAME: &'static str = "tokens";

    async fn begin() -> Self {
        let config = Config {
            port: 0,
            bucket_dir: "memory://".into(),
            secret: SECRET.into(),
            previous_secret: PREVIOUS.into(),
            allow_insecure_auth: true,
            ..Config::default()
        };
        let server = Server::start(config).await.unwrap();
        let endpoint = Endpoint::from_shared(format!("http://{}", server.address())).unwrap();
        let claims = claims().into_iter().take(4);
        let claims: Vec<Vec<u8>> = claims.map(|claims| claims.to_string().into()).collect();
        let genuine = |secret| {
            let token = move |claims: &Vec<u8>| signed(secret, HEADER.as_bytes(), claims);
            claims.iter().map(token).collect::<Vec<_>>()
        };
        let mut target = Self {
            client: FlightServiceClient::new(endpoint.connect().await.unwrap()),
            _server: server,
            genuine: [genuine(SECRET), genuine(PREVIOUS)].concat(),
        };
        for token in target.genuine.clone() {
            for way in &WAYS[1..] {
                let told = target.shown(way, token.clone().into()).await.unwrap();
                assert!(!told.is_some_and(|status| keeps_out(&status)), "{way}");
            }
        }
        target
    }

    async fn seeds(&mut self) -> Vec<Input> {
        let mut seeds = Vec::new();
        for way in WAYS {
            for token in &self.genuine {
                let token = match way {
                    "authorization" => format!("Bearer {token}"),
                    _ => token.clone(),
                };
                seeds.push(vec![way.into(), token.into()]);
            }
            for claims in claims() {
                let claims = claims.to_string().into();
                seeds.push(vec![way.into(), "signed".into(), HEADER.into(), claims]);
            }
            for alg in ["none", "HS512", "RS256"] {
                let header = json!({"alg": alg, "kid": "1", "jwk": null, "x5c": []});
                let claims = claims()[0].to_string().into();
                let header = header.to_string().into();
                seeds.push(vec![way.into(), "signed".into(), header, claims]);
            }
        }
        seeds
    }

    async fn run(&mut self, input: &Input) -> Verdict {
        let (way, mut shown) = (text(input, 0), bytes(input, 1));
        let (header, claims) = (bytes(input, 2), bytes(input, 3));
        let is_signed = shown == b"signed" && way != "authorization";
        if is_signed {
            if header.len() + claims.len() > MOST_BYTES {
                return Verdict::told("too long to be signed");
            }
            shown = signed(SECRET, &header, &claims).into();
        }
        let Some(told) = self.shown(&way, shown.clone()).await else {
            return Verdict::told("no header can hold it");
        };
        if let Some(status) = &told
            && (keeps_out(status) || refused(status).defect.is_some())
        {
            return refused(status);
        }
        let shown = String::from_utf8_lossy(&shown);
        let is_known = self.genuine.iter().any(|token| shown.contains(token));
        let may_be_let_in = is_known || (is_signed && let_in(&header, &claims));
        if !may_be_let_in {
            return Verdict::defect(format!("it lets its holder in: {told:?}"));
        }
        told.map_or_else(|| Verdict::told("in"), |status| refused(&status))
    }
}

/// Whether a token may let its holder in that has these and the right signature.
fn let_in(header: &[u8], claims: &[u8]) -> bool {
    let read = |part: &[u8]| serde_json::from_slice::<Value>(part).unwrap_or_default();
    let (header, claims) = (read(header), read(claims));
    header["alg"] == "HS256"
        && matches!(claims["type"].as_str(), Some("admin" | "scoped"))
        && claims["exp"].as_u64().is_some_and(|exp| exp >= now())
        && (claims["nbf"].as_f64()).is_none_or(|nbf| nbf <= now() as f64 + 1.0)
}

/// Whether it says that the caller is not known.
fn keeps_out(status: &Status) -> bool {
    let told = ErrorBody::from_json(status.details());
    told.is_some_and(|told| {
        matches!(
            told.kind,
            ErrorKind::UnauthenticatedError | ErrorKind::InvalidSignatureError
        )
    })
}

impl Tokens {
    /// How a call ends that shows something: in a refusal, or not. `None` if it cannot be shown in that way.
    async fn shown(&mut self, way: &str, shown: Vec<u8>) -> Option<Option<Status>> {
        if way != "payload" && shown.len() > MOST_BYTES {
            return None;
        }
        let ascii = |value: &[u8]| AsciiMetadataValue::try_from(value).ok();
        let mut headers = MetadataMap::new();
        let mut payload = Vec::new();
        match way {
            "payload" => payload = shown,
            "binary" => {
                headers.insert_bin("auth-token-bin", BinaryMetadataValue::from_bytes(&shown));
            }
            "basic" => {
                let pair = STANDARD.encode([b"somebody:", shown.as_slice()].concat());
                headers.insert("authorization", ascii(format!("Basic {pair}").as_bytes())?);
            }
            "bearer" => {
                let value = [b"Bearer ", shown.as_slice()].concat();
                headers.insert("authorization", ascii(&value)?);
            }
            _ => {
                headers.insert("authorization", ascii(&shown)?);
            }
        }
        let status = match way {
            "payload" | "basic" => {
                let hello = HandshakeRequest {
                    protocol_version: 0,
                    payload: payload.into(),
                };
                let mut request = Request::new(stream::iter([hello]));
                *request.metadata_mut() = headers;
                match self.client.handshake(request).await {
                    Ok(answers) => answers.into_inner().try_collect::<Vec<_>>().await.err(),
                    Err(status) => Some(status),
                }
            }
            _ => {
                let mut request = Request::new(Ticket {
                    ticket: r#"{"name":"nothing"}"#.into(),
                });
                *request.metadata_mut() = headers;
                self.client.do_get(request).await.err()
            }
        };
        Some(status)
    }
}
