//! Where in the headers of a call its token is.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use tonic::metadata::MetadataMap;

/// The binary header of the older Python client.
const AUTH_TOKEN: &str = "auth-token-bin";
const AUTHORIZATION: &str = "authorization";

/// With or without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What a call comes with.
#[derive(PartialEq, Eq)]
pub(super) enum Credentials {
    /// A token.
    Token(Vec<u8>),
    /// A name and a password, which is the token; only a handshake has them.
    Basic(Vec<u8>),
    None,
}

impl Credentials {
    pub(super) fn of(headers: &MetadataMap) -> Self {
        if let Some(value) = headers.get(AUTHORIZATION) {
            let value = value.as_bytes();
            if let Some(token) = after(value, b"bearer ") {
                return Self::Token(token.to_vec());
            }
            if let Some(pair) = after(value, b"basic ")
                && let Some(password) = password(pair)
            {
                return Self::Basic(password);
            }
        }
        let token = headers.get_bin(AUTH_TOKEN);
        match token.and_then(|token| token.to_bytes().ok()) {
            Some(token) if !token.is_empty() => Self::Token(token.to_vec()),
            _ => Self::None,
        }
    }
}

/// What follows the name of a scheme, however that is written.
fn after<'a>(value: &'a [u8], scheme: &[u8]) -> Option<&'a [u8]> {
    let (start, rest) = value.split_at_checked(scheme.len())?;
    start
        .eq_ignore_ascii_case(scheme)
        .then(|| rest.trim_ascii())
}

/// The password of `name:password` in base64.
fn password(pair: &[u8]) -> Option<Vec<u8>> {
    let pair = BASE64.decode(pair).ok()?;
    let colon = pair.iter().position(|byte| *byte == b':')?;
    Some(pair[colon + 1..].to_vec())
}

#[cfg(test)]
mod tests {
    use tonic::metadata::MetadataValue;

    use super::*;

    fn of(value: &str) -> Credentials {
        let mut headers = MetadataMap::new();
        headers.insert(AUTHORIZATION, value.parse().unwrap());
        Credentials::of(&headers)
    }

    #[test]
    fn tokens_are_found_wherever_clients_put_them() {
        let token = |text: &str| Credentials::Token(text.as_bytes().to_vec());
        let basic = |text: &str| Credentials::Basic(text.as_bytes().to_vec());
        for (value, expected) in [
            ("Bearer a.b.c", token("a.b.c")),
            ("bearer  a.b.c ", token("a.b.c")),
            ("Basic dXNlcjphLmIuYw==", basic("a.b.c")),
            ("basic dXNlcjphLmIuYw", basic("a.b.c")),
            ("Basic OnA6cQ==", basic("p:q")),
            ("Basic bm8gY29sb24=", Credentials::None),
            ("Basic !", Credentials::None),
            ("Bearer", Credentials::None),
            ("Digest a", Credentials::None),
        ] {
            assert!(of(value) == expected, "{value}");
        }
        let mut headers = MetadataMap::new();
        assert!(Credentials::of(&headers) == Credentials::None);
        headers.insert_bin(AUTH_TOKEN, MetadataValue::from_bytes(b"a.b.c"));
        assert!(Credentials::of(&headers) == token("a.b.c"));
        headers.insert(AUTHORIZATION, "Bearer d".parse().unwrap());
        assert!(Credentials::of(&headers) == token("d"));
    }
}
