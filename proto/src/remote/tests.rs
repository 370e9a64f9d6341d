//! What is a remote, and what is refused without being repeated.

use super::*;
use crate::decode::decode;

#[test]
fn urls_lead_to_the_places_that_are_known() {
    for (text, scheme) in [
        ("file:///srv/shoots", RemoteScheme::File),
        ("file:///srv/a%20b", RemoteScheme::File),
        ("s3://bucket", RemoteScheme::S3),
        ("s3://bucket/a/b", RemoteScheme::S3),
        ("gs://bucket/a", RemoteScheme::Gs),
        ("az://container/a", RemoteScheme::Az),
        ("grpc://host:8081", RemoteScheme::Grpc),
        ("grpc://[::1]:8081/", RemoteScheme::Grpc),
        ("grpc+tls://host", RemoteScheme::GrpcTls),
    ] {
        let url = RemoteUrl::parse(text).unwrap();
        assert_eq!((url.scheme(), url.as_str()), (scheme, text));
    }
}

#[test]
fn urls_that_lead_elsewhere_or_hold_secrets_are_refused_and_not_repeated() {
    for text in [
        "",
        "hunter2",
        "/srv/hunter2",
        "file://hunter2",
        "file://hunter2/x",
        "file:///",
        "file:///srv/../hunter2",
        "file:///srv/%2e%2E/hunter2",
        "file:///srv/..%2Fhunter2",
        "file:///srv/..\\hunter2",
        "s3:///hunter2",
        "s3://key:hunter2@bucket/x",
        "s3://bucket/x?sig=hunter2",
        "s3://bucket/../hunter2",
        "gs://bucket/x#hunter2",
        "grpc://",
        "grpc://hunter2@host:1",
        "grpc://host:1/hunter2",
        "memory://hunter2",
        "https://hunter2",
        "S3://hunter2",
        "s3://hunter2 x",
        "s3://hunter2\nx",
    ] {
        let error = RemoteUrl::parse(text).unwrap_err().to_string();
        assert!(!error.contains("hunter2"), "{error}");
    }
    assert!(RemoteUrl::parse(&format!("s3://{}", "b".repeat(2000))).is_err());
}

#[test]
fn references_say_where_a_secret_is_and_never_what_it_is() {
    for text in ["env:TOKEN", "env:_T1", "file:/run/secrets/token"] {
        assert_eq!(SecretRef::parse(text).unwrap().to_string(), text);
    }
    for text in [
        "",
        "hunter2",
        "env:",
        "env:hunter2 x",
        "env:1hunter2",
        "file:hunter2",
        "file:../hunter2",
        "vault:hunter2",
        "file:/hunter2\n",
    ] {
        let error = SecretRef::parse(text).unwrap_err().to_string();
        assert!(!error.contains("hunter2"), "{error}");
    }
}

#[test]
fn names_are_short_and_plain() {
    for text in ["a", "origin", "Backup-2.old_x", "9"] {
        assert_eq!(RemoteName::parse(text).unwrap().as_str(), text);
    }
    let long = "x".repeat(65);
    for text in ["", ".", "..", "_x", "-x", "a/b", "a b", "é", "a\n", &long] {
        assert!(RemoteName::parse(text).is_err(), "{text}");
    }
}

#[test]
fn credentials_go_where_they_are_of_use_and_safe() {
    let read = |json: &str| decode::<Remote>("m", json.as_bytes()).map_err(|e| e.to_string());
    for json in [
        r#"{"url":"grpc+tls://h","token":"env:T","ca":"file:/ca.pem"}"#,
        r#"{"url":"grpc://h","token":"env:T","allow_insecure_token":true}"#,
        r#"{"url":"s3://b"}"#,
        r#"{"url":"grpc+tls://h","certificate":"file:/own.pem","key":"env:KEY"}"#,
    ] {
        assert!(read(json).is_ok(), "{json}");
    }
    for (json, field) in [
        (r#"{"url":"grpc://h","token":"env:T"}"#, "token"),
        (r#"{"url":"s3://b","token":"env:T"}"#, "token"),
        (r#"{"url":"grpc://h","ca":"env:T"}"#, "ca"),
        (r#"{"url":"file:///x","ca":"env:T"}"#, "ca"),
        (
            r#"{"url":"grpc://h","certificate":"env:T","key":"env:T"}"#,
            "certificate",
        ),
        (r#"{"url":"grpc+tls://h","certificate":"env:T"}"#, "key"),
        (r#"{"url":"grpc+tls://h","key":"env:T"}"#, "certificate"),
        (r#"{"url":"file:///x","secret":"env:T"}"#, "secret"),
        (r#"{"url":"grpc+tls://h","token":"hunter2"}"#, "token"),
    ] {
        let error = read(json).unwrap_err();
        assert!(error.starts_with(&format!("m: {field}: ")), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
}
