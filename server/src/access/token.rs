//! What a token says: JSON Web Tokens, signed with HS256.
//!
//! The claims are `exp` and `iat` in seconds, `server`, `sub` (who holds it), `jti` (its id), and `type`: `admin`, or `scoped` with
//! `grants`, `{"read": [pattern, …], "write": [pattern, …]}`. Tokens of older servers are `admin` ones without `sub` and `jti`.
//! `iat` and `server` say where a token is from; they are not compared with anything.

use std::fmt;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jsonwebtoken::errors::ErrorKind as Problem;
use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, decode_header, encode,
};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use shoots_proto::{BucketName, ErrorKind};

use super::pattern::BucketPattern;
use super::{Access, Right, Rights};
use crate::config::Secret;
use crate::status::Failure;

const ADMIN: &str = "admin";
const SCOPED: &str = "scoped";

/// The longest token that is looked at, in bytes: headers are not longer.
const TOKEN_BYTES: usize = 8 << 10;

/// The longest name of an algorithm that is repeated to who sent it, in bytes.
const ALGORITHM_BYTES: usize = 16;

/// Which buckets may be read and written.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Grants {
    pub(crate) read: Vec<BucketPattern>,
    pub(crate) write: Vec<BucketPattern>,
}

impl Grants {
    pub(super) fn give(&self, right: Right, bucket: Option<&BucketName>) -> bool {
        let matches = |patterns: &[BucketPattern]| patterns.iter().any(|p| p.matches(bucket));
        matches(&self.write) || (right == Right::Read && matches(&self.read))
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    r#type: Option<String>,
    /// Nothing is read that the library does not look at, which refuses a token without it.
    exp: Option<u64>,
    #[serde(skip_deserializing, skip_serializing_if = "Option::is_none")]
    iat: Option<u64>,
    #[serde(skip_deserializing, skip_serializing_if = "Option::is_none")]
    server: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jti: Option<String>,
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "by_name"
    )]
    grants: Option<Grants>,
}

/// Reads an object, and no list of what its fields would be in order.
fn by_name<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Grants>, D::Error> {
    struct ByName;

    impl<'de> Visitor<'de> for ByName {
        type Value = Option<Grants>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object with `read` and `write`")
        }

        fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
            Ok(None)
        }

        fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<Self::Value, A::Error> {
            Grants::deserialize(MapAccessDeserializer::new(fields)).map(Some)
        }
    }

    from.deserialize_any(ByName)
}

/// What a new token is to say; without grants it is an admin's.
#[derive(Debug, Clone)]
pub(crate) struct Wish {
    /// What tells it from all others.
    pub(crate) id: String,
    pub(crate) subject: Option<String>,
    pub(crate) grants: Option<Grants>,
    pub(crate) server: String,
    /// When it is issued, in seconds since 1970.
    pub(crate) now: u64,
    /// How long it is good for, in seconds.
    pub(crate) seconds: u64,
}

/// Makes a token; `None` if there is no secret to sign it with.
pub(crate) fn issue(secret: &Secret, wish: Wish) -> Option<String> {
    let claims = Claims {
        r#type: Some(wish.grants.as_ref().map_or(ADMIN, |_| SCOPED).to_owned()),
        exp: Some(wish.now.saturating_add(wish.seconds)),
        iat: Some(wish.now),
        server: Some(wish.server),
        sub: wish.subject,
        jti: Some(wish.id),
        grants: wish.grants,
    };
    let key = EncodingKey::from_secret(secret.as_bytes()).ok()?;
    encode(&Header::new(Algorithm::HS256), &claims, &key).ok()
}

/// Why a token is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    /// It was not signed with any of the secrets.
    #[error("the token was not signed with this server's secret: get another one")]
    Signature,
    #[error("the token has expired (`exp` is over): get another one")]
    Expired,
    #[error("the token was called back: get another one")]
    Revoked,
    /// What its header names (`none`, a public key's) is never used to check it.
    #[error(
        "the token's algorithm {0} is not accepted, only HS256 is (`alg` in its header): get another one"
    )]
    Algorithm(String),
    #[error("the token {0}: get another one")]
    Other(&'static str),
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::new(ErrorKind::UnauthenticatedError, refusal.to_string())
    }
}

/// What a token gives that was signed with this key.
pub(super) fn verify(token: &[u8], key: &DecodingKey) -> Result<Access, Refusal> {
    if token.len() > TOKEN_BYTES {
        return Err(Refusal::Other("is too long"));
    }
    let mut validation = Validation::new(Algorithm::HS256);
    validation.leeway = 0;
    // A second that has begun counts as over, so a token is not taken in the one that `exp` names (RFC 7519, section
    // 4.1.4: "on or after").
    validation.reject_tokens_expiring_in_less_than = 1;
    validation.validate_nbf = true;
    if let Some(algorithm) = other_algorithm(token) {
        return Err(Refusal::Algorithm(algorithm));
    }
    // The library tells a header as it tells claims.
    if let Err(error) = decode_header(token)
        && matches!(error.kind(), Problem::Json(_))
    {
        return Err(Refusal::Other(
            "has a header that cannot be read (it is a JSON object with `alg`, which is HS256)",
        ));
    }
    let decoded = decode::<Claims>(token, key, &validation);
    let claims = decoded.map_err(|error| match error.kind() {
        Problem::InvalidSignature => Refusal::Signature,
        Problem::ExpiredSignature => Refusal::Expired,
        Problem::ImmatureSignature => Refusal::Other("is not valid yet (`nbf`)"),
        Problem::MissingRequiredClaim(_) => {
            Refusal::Other("does not say until when it is valid (`exp` is missing)")
        }
        Problem::InvalidClaimFormat(_) => Refusal::Other(
            "has a time that cannot be read (`exp` and `nbf` are whole seconds since 1970)",
        ),
        Problem::InvalidAudience => Refusal::Other("is for another audience (`aud`)"),
        Problem::Json(_) => Refusal::Other(
            "has claims that cannot be read (`exp` is whole seconds since 1970; `type`, `sub` and `jti` are texts; `grants` has \
             lists of patterns, `read` and `write`)",
        ),
        _ => Refusal::Other("cannot be read as a JSON Web Token"),
    })?;
    let Claims {
        r#type,
        sub,
        jti,
        grants,
        ..
    } = claims.claims;
    let rights = match (r#type.as_deref(), grants) {
        (Some(ADMIN), _) => Rights::All,
        (Some(SCOPED), Some(grants)) => Rights::Granted(grants),
        (Some(SCOPED), None) => return Err(Refusal::Other("is a scoped one without grants")),
        _ => {
            let problem = "has a `type` that this server does not know (it knows admin and scoped)";
            return Err(Refusal::Other(problem));
        }
    };
    let named = |name: Option<String>| name.filter(|name| !name.is_empty());
    Ok(Access::new(named(sub), named(jti), rights))
}

/// The algorithm that a token's header names, if it is another one than tokens are signed with; the library tells one
/// that it does not know as JSON that cannot be read. Only what may be the name of one is repeated.
fn other_algorithm(token: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Head {
        alg: String,
    }

    let head = token.split(|byte| *byte == b'.').next()?;
    let head = BASE64_URL_SAFE_NO_PAD.decode(head).ok()?;
    let Head { alg } = serde_json::from_slice(&head).ok()?;
    let name = |alg: &str| {
        let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '+');
        (1..=ALGORITHM_BYTES).contains(&alg.len()) && alg.chars().all(known)
    };
    match alg.as_str() {
        "HS256" => None,
        alg if name(alg) => Some(alg.to_owned()),
        _ => Some("(no name of one)".to_owned()),
    }
}
