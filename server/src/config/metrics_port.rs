//! The port for metrics and health pages, or that there is none.
//!
//! Written as a number, or as `off`, in every source of settings.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Where metrics and health pages are served.
///
/// ```
/// use shoots_server::MetricsPort;
///
/// assert_eq!("9464".parse(), Ok(MetricsPort::Port(9464)));
/// assert_eq!("off".parse(), Ok(MetricsPort::Off));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricsPort {
    /// Nowhere.
    Off,
    /// On this TCP port; 0 takes a free one.
    Port(u16),
}

impl FromStr for MetricsPort {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "off" => Ok(Self::Off),
            number => number
                .parse()
                .map(Self::Port)
                .map_err(|_| format!("{text:?} is neither a port (0 to 65535) nor off")),
        }
    }
}

impl fmt::Display for MetricsPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::Port(port) => port.fmt(f),
        }
    }
}

impl Serialize for MetricsPort {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for MetricsPort {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "must be a port (0 to 65535) or off")]
        enum Written {
            Number(u16),
            Text(String),
        }

        match Written::deserialize(deserializer)? {
            Written::Number(port) => Ok(Self::Port(port)),
            Written::Text(text) => text.parse().map_err(serde::de::Error::custom),
        }
    }
}
