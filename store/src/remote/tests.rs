//! Buckets that are away, absent, or refuse.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::connect::connect_with;
use super::*;
use crate::error::{Error, ErrorKind};
use crate::place::Place;

/// The address of a server that gives everybody this answer.
async fn answering(status: &str, body: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let answer = format!(
        "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut asked = [0; 65_536];
            // All requests here fit in one packet.
            let _bytes = stream.read(&mut asked).await.unwrap();
            stream.write_all(answer.as_bytes()).await.unwrap();
            stream.shutdown().await.ok();
        }
    });
    format!("http://{address}")
}

const CREDENTIALS: [(&str, &str); 3] = [
    ("AWS_ACCESS_KEY_ID", "id"),
    ("AWS_SECRET_ACCESS_KEY", "hunter2"),
    ("AWS_SESSION_TOKEN", "hunter3"),
];

/// What opening a store there says.
async fn opened(endpoint: &str, read_only: bool) -> Result<(), Error> {
    opened_with(&CREDENTIALS, endpoint, read_only).await
}

async fn opened_with(
    credentials: &[(&str, &str)],
    endpoint: &str,
    read_only: bool,
) -> Result<(), Error> {
    let Place::Remote(place) = Place::parse("s3://bucket/folder").unwrap() else {
        panic!("it is remote");
    };
    let variables = [credentials, &[("AWS_ENDPOINT_URL", endpoint)]].concat();
    let variables = variables.into_iter();
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let remote = connect_with(&place, variables).unwrap();
    let url = place.url.as_str();
    if read_only {
        probe::readable(&remote.store, url).await
    } else {
        probe::writable(&remote.store, url, "1").await
    }
}

#[tokio::test]
async fn refused_credentials_are_named_as_such_and_nothing_secret_is_told() {
    let body = "<Error><Code>SignatureDoesNotMatch</Code><CanonicalRequest>x-amz-security-token:hunter3\
                </CanonicalRequest></Error>";
    let endpoint = answering("403 Forbidden", body).await;
    for read_only in [false, true] {
        let refused = opened(&endpoint, read_only).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Io);
        assert_eq!(
            refused.to_string(),
            "opening s3://bucket/folder: access to the storage is refused (SignatureDoesNotMatch): check the credentials and \
             their rights"
        );
        assert!(!format!("{refused:?}").contains("hunter"), "{refused:?}");
    }
}

#[tokio::test]
async fn a_bucket_that_does_not_exist_is_named() {
    let endpoint = answering("404 Not Found", "<Error><Code>NoSuchBucket</Code></Error>").await;
    for read_only in [false, true] {
        let missing = opened(&endpoint, read_only).await.unwrap_err();
        assert_eq!(missing.kind(), ErrorKind::NotFound);
        assert!(
            missing.to_string().contains("s3://bucket/folder"),
            "{missing}"
        );
    }
}

#[tokio::test]
async fn a_place_that_is_away_is_an_error_that_says_so() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let away = opened(&endpoint, false).await.unwrap_err();
    assert_eq!(away.kind(), ErrorKind::Io);
    let told = away.to_string();
    let beginning = "opening s3://bucket/folder: the storage cannot be reached: ";
    assert!(told.starts_with(beginning), "{told}");
}

#[tokio::test]
async fn without_credentials_the_error_says_so() {
    let endpoint = answering("200 OK", "").await;
    // Where a machine of AWS would find credentials, and others do not.
    let none = [("AWS_METADATA_ENDPOINT", "http://127.0.0.1:1")];
    let refused = opened_with(&none, &endpoint, false).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Io);
    assert!(refused.to_string().contains("no credentials"), "{refused}");
}

#[tokio::test]
async fn a_place_that_ignores_the_condition_is_refused() {
    let endpoint = answering("200 OK\r\netag: \"1\"", "").await;
    let refused = opened(&endpoint, false).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InvalidRequest);
    assert!(
        refused.to_string().contains("cannot hold a store"),
        "{refused}"
    );
}

#[tokio::test]
async fn a_place_that_takes_connections_and_never_answers_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let holding = tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((connection, _)) = listener.accept().await {
            held.push(connection);
        }
    });
    let silent = opened(&endpoint, true).await.unwrap_err();
    assert_eq!(silent.kind(), ErrorKind::Io);
    let told = silent.to_string();
    for words in [
        "s3://bucket/folder",
        "cannot be reached",
        "no answer within 10s",
    ] {
        assert!(told.contains(words), "{told}");
    }
    holding.abort();
}
