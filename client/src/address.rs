//! Where a server is, as its users write it.
//!
//! `grpc://host:port` and `grpc+tls://host:port` are what Arrow Flight programs use and what
//! the server prints; `http://` and `https://` mean the same. Without a scheme the connection
//! is plain, without a port it is the server's default one.

use std::net::IpAddr;

use shoots_proto::ErrorKind;
use tonic::transport::Uri;

use crate::Error;

/// The port a server listens on unless told otherwise.
const DEFAULT_PORT: u16 = 8081;

/// A server's address, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    /// With the scheme that the HTTP layer knows.
    pub(crate) uri: Uri,
    /// Whether the connection is encrypted.
    pub(crate) tls: bool,
}

impl Address {
    /// Whether it leads to this machine, as far as it tells itself.
    pub(crate) fn is_loopback(&self) -> bool {
        let host = self.uri.host().unwrap_or_default();
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let address = host.parse::<IpAddr>();
        host.eq_ignore_ascii_case("localhost")
            || address.is_ok_and(|ip| ip.to_canonical().is_loopback())
    }

    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        let (scheme, rest) = text.split_once("://").unwrap_or(("grpc", text));
        let tls = match scheme.to_ascii_lowercase().as_str() {
            "grpc" | "grpc+tcp" | "http" => false,
            "grpc+tls" | "grpcs" | "https" => true,
            _ => {
                return Err(refusal(
                    text,
                    "its scheme must be grpc, grpc+tls, http or https",
                ));
            }
        };
        let host = rest.strip_suffix('/').unwrap_or(rest);
        if host.contains(['/', '?', '#', '@']) {
            return Err(refusal(
                text,
                "only a host and a port may follow the scheme",
            ));
        }
        let uri = |authority: &str| -> Result<Uri, Error> {
            let scheme = if tls { "https" } else { "http" };
            format!("{scheme}://{authority}")
                .parse()
                .map_err(|error| refusal(text, &format!("{error}")))
        };
        let mut parsed = uri(host)?;
        if parsed.port().is_none() {
            // A colon outside of brackets announces a port.
            if host
                .rsplit(']')
                .next()
                .is_some_and(|tail| tail.contains(':'))
            {
                return Err(refusal(text, "its port must be a number up to 65535"));
            }
            parsed = uri(&format!("{host}:{DEFAULT_PORT}"))?;
        }
        if parsed.host().is_none_or(str::is_empty) || parsed.port_u16().is_none() {
            return Err(refusal(text, "it needs a host"));
        }
        Ok(Self { uri: parsed, tls })
    }
}

fn refusal(text: &str, problem: &str) -> Error {
    Error::new(
        ErrorKind::InvalidRequestError,
        format!(
            "{text:?} is not the address of a server: {problem} (example: grpc://localhost:8081)"
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_people_write_them() {
        for (text, uri, tls) in [
            ("grpc://localhost:8081", "http://localhost:8081/", false),
            ("grpc+tcp://10.0.0.1:1", "http://10.0.0.1:1/", false),
            ("http://localhost:8081/", "http://localhost:8081/", false),
            ("localhost:9000", "http://localhost:9000/", false),
            ("localhost", "http://localhost:8081/", false),
            (
                "GRPC+TLS://shoots.example",
                "https://shoots.example:8081/",
                true,
            ),
            (
                "https://shoots.example:443",
                "https://shoots.example:443/",
                true,
            ),
            ("grpc://[::1]:8081", "http://[::1]:8081/", false),
            ("grpc://[::1]", "http://[::1]:8081/", false),
        ] {
            let address = Address::parse(text).unwrap();
            assert_eq!(address.uri.to_string(), uri, "{text}");
            assert_eq!(address.tls, tls, "{text}");
        }
    }

    #[test]
    fn addresses_of_this_machine_are_known() {
        for text in [
            "localhost",
            "grpc://LocalHost:1",
            "grpc://127.3.2.1",
            "grpc+tls://[::1]:1",
        ] {
            assert!(Address::parse(text).unwrap().is_loopback(), "{text}");
        }
        for text in [
            "shoots.example",
            "grpc://10.0.0.1",
            "grpc://[::]",
            "localhost.example",
        ] {
            assert!(!Address::parse(text).unwrap().is_loopback(), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused_and_named() {
        for text in [
            "",
            "grpc://",
            "grpc://:8081",
            "ftp://localhost",
            "grpc://localhost:port",
            "grpc://localhost:99999",
            "grpc://user@localhost",
            "grpc://localhost/path",
            "grpc://local host",
        ] {
            let error = Address::parse(text).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidRequestError, "{text}");
            assert!(error.to_string().contains(&format!("{text:?}")), "{error}");
        }
    }
}
