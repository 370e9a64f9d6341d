//! The server's settings as data: every field with its default, its meaning and its unit.
//!
//! [`Config`] is what an embedding program fills in and what the binary assembles from four places: a flag
//! beats an environment variable, which beats the TOML file, which beats the default. The order is kept by
//! laying one table of values over the other, so a setting is described once, in [`SETTINGS`], and every
//! source knows it. A key that no setting has is refused, and so is a value of another type, with the name
//! of the source in the message.

mod log_level;
mod metrics_port;
mod secret;
mod settings;
mod trust;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use shoots_proto::action::Retention;
use shoots_proto::{Remote, RemoteName};
use shoots_store::UpkeepSettings;
use toml::{Table, Value};

pub use self::metrics_port::MetricsPort;
pub use self::secret::Secret;
pub(crate) use self::settings::{SETTINGS, Setting};

/// How the server runs. Start from [`Config::default`] and change what matters.
///
/// ```
/// use shoots_server::Config;
///
/// let config = Config {
///     port: 0,
///     bucket_dir: "memory://".into(),
///     ..Config::default()
/// };
/// assert_eq!(config.host, "localhost");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The name or address to listen on.
    pub host: String,
    /// The TCP port to listen on; 0 takes a free one.
    pub port: u16,
    /// The TCP port for metrics and health pages, on the same host.
    pub metrics_port: MetricsPort,
    /// Where the frames are kept: a directory, or a URL such as `s3://bucket/folder` or `memory://`.
    pub bucket_dir: String,
    /// Memory for what was read from a bucket of an object store, in bytes; 0 for none.
    pub cache_memory_bytes: u64,
    /// A directory of this server's own for what was read from a bucket of an object store; empty for none.
    pub cache_folder: String,
    /// What the files in `cache_folder` may take together, in bytes.
    pub cache_disk_bytes: u64,
    /// Memory for decoded rows, which are sent again without being read again, in bytes; 0 for none.
    pub row_cache_bytes: u64,
    /// A folder for rows that clients on this machine map into memory instead of having them sent, such as `/dev/shm`;
    /// empty: rows are always sent.
    pub shm_dir: String,
    /// What the files below `shm_dir` may take together, in bytes; 0 for none.
    pub shm_bytes: u64,
    /// Rows that take fewer bytes than this are sent.
    pub shm_min_bytes: u64,
    /// How long a file below `shm_dir` may go unused before it is removed, in seconds.
    pub shm_unused_seconds: u64,
    /// How old the newest state of a frame may be that a read is given without asking the storage, in seconds; 0
    /// always asks.
    pub max_staleness_seconds: u64,
    /// Refuse every call that would change something.
    pub read_only: bool,
    /// A PEM file with the server's certificate, then those that lead to its authority; empty: no encryption.
    pub cert_file: String,
    /// A PEM file with the key of that certificate.
    pub key_file: String,
    /// A PEM file with the authorities of which every client must show a certificate; empty: clients need none.
    pub client_ca_file: String,
    /// What tokens are signed with. With a secret, calls need a token; empty: calls need none.
    pub secret: Secret,
    /// A file with the secret, in place of `secret`.
    pub secret_file: String,
    /// The secret before the present one: tokens that were signed with it are taken, too.
    pub previous_secret: Secret,
    /// A file with the secret before the present one, in place of `previous_secret`.
    pub previous_secret_file: String,
    /// A file with the ids of tokens that are not taken any more, one a line; empty: there are none.
    pub revoked_tokens_file: String,
    /// Take tokens without TLS, where everybody on the way can read them.
    pub allow_insecure_auth: bool,
    /// Which log lines to write: a level (`off`, `error`, `warn`, `info`, `debug`, `trace`), or a filter such as
    /// `info,shoots_server=debug`.
    pub log_level: String,
    /// How log lines look.
    pub log_format: LogFormat,
    /// The largest single message that a client may send, in bytes.
    pub max_message_bytes: u64,
    /// Most rows that one batch of a put may have.
    pub max_batch_rows: u64,
    /// Most memory that one batch of a put may take once it is decompressed, in bytes.
    pub max_batch_bytes: u64,
    /// Most bytes that one put may send.
    pub max_put_bytes: u64,
    /// How many calls may run at the same time; further ones are refused.
    pub max_calls: u64,
    /// How many connections may be open at the same time; calls of further ones are refused.
    pub max_connections: u64,
    /// How long a new connection may take to speak HTTP/2, and a request to arrive, in seconds.
    pub header_seconds: u64,
    /// How long a connection may carry no call before it is closed, in seconds.
    pub idle_seconds: u64,
    /// How long a put may bring nothing, in seconds.
    pub put_idle_seconds: u64,
    /// How long a caller may take nothing of an answer that waits for it, in seconds.
    pub read_idle_seconds: u64,
    /// Memory for messages that are being received, for all calls together, in bytes.
    pub receive_memory_bytes: u64,
    /// Memory for rows on their way to the store, for all puts together, in bytes.
    pub put_memory_bytes: u64,
    /// Puts are refused while the disk of `bucket_dir` has less free space than this, in bytes; 0: never.
    pub low_space_bytes: u64,
    /// What is spared where rows are stored.
    pub packing: Packing,
    /// Whether small, overlapping and partly hidden segments are written anew in the background.
    pub compaction: bool,
    /// Of each frame at least so many versions are kept; 0: the number of versions keeps none. Buckets and frames can
    /// have rules of their own. If this and `keep_seconds` are 0, every version is kept.
    pub keep_versions: u64,
    /// Every version is kept that was the newest one at some time in the last so many seconds; 0: no version is kept
    /// for its age.
    pub keep_seconds: u64,
    /// How often versions of a frame that is written to expire at most, in seconds.
    pub expiry_seconds: u64,
    /// How long what no version needs any more is kept for readers in other processes, in seconds.
    pub sweep_grace_seconds: u64,
    /// Memory for sorting, grouping and joining, for all queries together, in bytes.
    pub query_memory_bytes: u64,
    /// What one query may take of `query_memory_bytes`, in bytes.
    pub query_memory_bytes_each: u64,
    /// A directory for what queries cannot hold in memory; empty for the system's temporary folder.
    pub query_spill_folder: String,
    /// Disk space for what queries cannot hold in memory, for all queries together, in bytes; 0: they end instead.
    pub query_spill_bytes: u64,
    /// How long one query may run, in seconds.
    pub query_seconds: u64,
    /// How many queries may compute at the same time; further ones wait.
    pub queries_at_once: u64,
    /// How many queries may wait for their turn; further ones are refused.
    pub queries_waiting: u64,
    /// How long a query may wait for its turn, in seconds.
    pub query_wait_seconds: u64,
    /// Other places that keep frames, by the names by which callers may exchange frames with them.
    pub remotes: BTreeMap<RemoteName, Remote>,
    /// How long a server at the other end of a transfer may be silent, in seconds; at least 3.
    pub remote_silence_seconds: u64,
    /// Folders of this machine below which callers may define remotes of their own (`file://`), and refer to tokens.
    pub allow_file_remotes: Vec<String>,
    /// How long running calls may go on once the server was asked to stop, in seconds.
    pub shutdown_grace_seconds: u64,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object a line, for programs.
    Json,
}

/// What is spared where rows are stored. All rows can be read, whatever they were written with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Packing {
    /// Time on a local disk, bytes in an object store.
    Auto,
    /// Time: floats are stored as they are.
    Fast,
    /// Bytes: floats are compressed, too.
    Small,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            host: "localhost".into(),
            port: 8081,
            metrics_port: MetricsPort::Off,
            bucket_dir: "./buckets".into(),
            cache_memory_bytes: 256 << 20,
            cache_folder: String::new(),
            cache_disk_bytes: 10 << 30,
            row_cache_bytes: 1 << 30,
            shm_dir: String::new(),
            shm_bytes: 1 << 30,
            shm_min_bytes: 4 << 20,
            shm_unused_seconds: 300,
            max_staleness_seconds: 0,
            read_only: false,
            cert_file: String::new(),
            key_file: String::new(),
            client_ca_file: String::new(),
            secret: Secret::default(),
            secret_file: String::new(),
            previous_secret: Secret::default(),
            previous_secret_file: String::new(),
            revoked_tokens_file: String::new(),
            allow_insecure_auth: false,
            log_level: "info".into(),
            log_format: LogFormat::Text,
            max_message_bytes: 1 << 30,
            max_batch_rows: 1 << 30,
            max_batch_bytes: 1 << 30,
            max_put_bytes: 1 << 40,
            max_calls: 1000,
            max_connections: 5000,
            header_seconds: 30,
            idle_seconds: 3600,
            put_idle_seconds: 300,
            read_idle_seconds: 1800,
            receive_memory_bytes: 512 << 20,
            put_memory_bytes: 256 << 20,
            low_space_bytes: 256 << 20,
            packing: Packing::Auto,
            compaction: true,
            keep_versions: 10,
            keep_seconds: 48 * 3600,
            expiry_seconds: 3600,
            sweep_grace_seconds: 24 * 3600,
            query_memory_bytes: 1 << 30,
            query_memory_bytes_each: 512 << 20,
            query_spill_folder: String::new(),
            query_spill_bytes: 16 << 30,
            query_seconds: 3600,
            queries_at_once: 32,
            queries_waiting: 1000,
            query_wait_seconds: 600,
            remotes: BTreeMap::new(),
            remote_silence_seconds: 60,
            allow_file_remotes: Vec::new(),
            shutdown_grace_seconds: 30,
        }
    }
}

/// A setting that cannot be used, and where it came from.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{origin}: {problem}")]
pub struct ConfigError {
    origin: String,
    problem: String,
}

impl ConfigError {
    pub(crate) fn new(origin: impl fmt::Display, problem: impl fmt::Display) -> Self {
        Self {
            origin: origin.to_string(),
            problem: problem.to_string().trim_end().to_owned(),
        }
    }
}

/// What is wrong with a TOML text. Lines of a text that has to do with secrets are not repeated.
fn mistake(origin: &str, text: &str, error: &toml::de::Error) -> ConfigError {
    if !text.contains("secret") {
        return ConfigError::new(origin, error);
    }
    let problem = error.message();
    let before = error.span().and_then(|span| text.get(..span.start));
    match before.map(|before| before.matches('\n').count() + 1) {
        Some(line) => ConfigError::new(origin, format!("line {line}: {problem}")),
        None => ConfigError::new(origin, problem),
    }
}

/// The shortest silence of a server that is no sign of its end, in seconds.
const SHORTEST_SILENCE: u64 = 3;

/// As good as for ever, and short enough to be added to any moment.
const LONGEST: Duration = Duration::from_secs(30 * 365 * 24 * 3600);

fn time(seconds: u64) -> Duration {
    Duration::from_secs(seconds).min(LONGEST)
}

impl Config {
    /// How long versions are kept, if neither their frame nor its bucket has a rule.
    pub(crate) fn retention(&self) -> Retention {
        let rule = |number: u64| (number > 0).then_some(number);
        Retention {
            keep_versions: rule(self.keep_versions),
            keep_seconds: rule(self.keep_seconds),
            keep_tagged: true,
        }
    }

    /// What is done in the background.
    pub(crate) fn upkeep(&self) -> UpkeepSettings {
        UpkeepSettings {
            compaction: self.compaction,
            expiry_interval: time(self.expiry_seconds),
            ..UpkeepSettings::default()
        }
    }

    /// How long one query may run.
    pub(crate) fn query_time(&self) -> Duration {
        time(self.query_seconds)
    }

    /// How long a query may wait for its turn.
    pub(crate) fn query_wait(&self) -> Duration {
        time(self.query_wait_seconds)
    }

    /// How long a server at the other end of a transfer may be silent.
    pub(crate) fn remote_silence(&self) -> Duration {
        time(self.remote_silence_seconds)
    }

    /// How long a file for clients on this machine may go unused.
    pub(crate) fn shm_unused(&self) -> Duration {
        time(self.shm_unused_seconds)
    }

    /// How old a state may be that a read is given without asking the storage.
    pub(crate) fn max_staleness(&self) -> Duration {
        time(self.max_staleness_seconds)
    }

    /// How long a new connection may take to speak HTTP/2, and a request to arrive.
    pub(crate) fn header_time(&self) -> Duration {
        time(self.header_seconds)
    }

    /// How long a connection may carry no call.
    pub(crate) fn idle_time(&self) -> Duration {
        time(self.idle_seconds)
    }

    /// How long a put may bring nothing.
    pub(crate) fn put_idle_time(&self) -> Duration {
        time(self.put_idle_seconds)
    }

    /// How long a caller may take nothing of an answer.
    pub(crate) fn read_idle_time(&self) -> Duration {
        time(self.read_idle_seconds)
    }

    /// How long running calls may go on once the server was asked to stop.
    pub(crate) fn shutdown_grace(&self) -> Duration {
        time(self.shutdown_grace_seconds)
    }

    /// Refuses settings with which no call, or no query, could ever be answered.
    pub(crate) fn check(&self, origin: &str) -> Result<(), ConfigError> {
        let bounds = [
            ("max_message_bytes", self.max_message_bytes),
            ("max_batch_rows", self.max_batch_rows),
            ("max_batch_bytes", self.max_batch_bytes),
            ("max_put_bytes", self.max_put_bytes),
            ("max_calls", self.max_calls),
            ("max_connections", self.max_connections),
            ("header_seconds", self.header_seconds),
            ("idle_seconds", self.idle_seconds),
            ("put_idle_seconds", self.put_idle_seconds),
            ("read_idle_seconds", self.read_idle_seconds),
            ("receive_memory_bytes", self.receive_memory_bytes),
            ("put_memory_bytes", self.put_memory_bytes),
            ("query_memory_bytes", self.query_memory_bytes),
            ("query_memory_bytes_each", self.query_memory_bytes_each),
            ("query_seconds", self.query_seconds),
            ("queries_at_once", self.queries_at_once),
            ("shm_unused_seconds", self.shm_unused_seconds),
        ];
        if let Some((name, _)) = bounds.iter().find(|(_, bound)| *bound == 0) {
            let problem = format!("{name} is 0; it must be at least 1");
            return Err(ConfigError::new(origin, problem));
        }
        if self.remote_silence_seconds < SHORTEST_SILENCE {
            let problem = format!(
                "remote_silence_seconds is {}; it must be at least {SHORTEST_SILENCE}, since a server that works says so every second",
                self.remote_silence_seconds
            );
            return Err(ConfigError::new(origin, problem));
        }
        if let Err(problem) = log_level::check(&self.log_level) {
            return Err(ConfigError::new(origin, format!("log_level {problem}")));
        }
        let mut folders = self.allow_file_remotes.iter();
        match folders.find(|folder| !std::path::Path::new(folder).is_absolute()) {
            Some(folder) => {
                let problem = format!("allow_file_remotes: {folder:?} is not a whole path");
                Err(ConfigError::new(origin, problem))
            }
            None => Ok(()),
        }
    }

    /// Reads the settings of a TOML text; what it does not name keeps its default.
    ///
    /// `origin` is what error messages call the text, such as its path.
    pub fn from_toml(origin: &str, text: &str) -> Result<Self, ConfigError> {
        let config: Self = toml::from_str(text).map_err(|e| mistake(origin, text, &e))?;
        config.check(origin)?;
        Ok(config)
    }

    /// The settings as TOML, each under a comment that says what it means.
    pub fn to_toml(&self) -> Result<String, ConfigError> {
        let table = self.table()?;
        let mut text = String::new();
        for setting in SETTINGS {
            if let Some(value) = table.get(setting.name) {
                text.push_str(&format!("# {}\n{} = {value}\n", setting.help, setting.name));
            }
        }
        Ok(text)
    }

    pub(crate) fn table(&self) -> Result<Table, ConfigError> {
        Table::try_from(self).map_err(|e| ConfigError::new("settings", e))
    }
}

/// Settings laid over each other, the later the stronger, each value checked as it comes in.
#[derive(Debug)]
pub(crate) struct Layers {
    values: Table,
}

impl Layers {
    /// The defaults, over which everything else is laid.
    pub(crate) fn new() -> Result<Self, ConfigError> {
        Ok(Self {
            values: Config::default().table()?,
        })
    }

    /// Lays a whole TOML text over what is there.
    pub(crate) fn lay_toml(&mut self, origin: &str, text: &str) -> Result<(), ConfigError> {
        let config = Config::from_toml(origin, text)?;
        let mut table: Table = toml::from_str(text).map_err(|e| mistake(origin, text, &e))?;
        // Which may be written as a number: from here on it is text, as the default is.
        if let Some(port) = table.get_mut("metrics_port") {
            *port = Value::from(config.metrics_port.to_string());
        }
        self.values.extend(table);
        Ok(())
    }

    /// Lays one value, given as text, over what is there.
    ///
    /// Empty text is a value too: an environment variable that is set to nothing does not mean the default.
    pub(crate) fn lay_text(
        &mut self,
        origin: &str,
        setting: &Setting,
        text: &str,
    ) -> Result<(), ConfigError> {
        let value = match self.values.get(setting.name) {
            Some(Value::Integer(_)) => {
                let digits = text.replace('_', "");
                Value::Integer(digits.parse().map_err(|_| {
                    ConfigError::new(origin, format!("{text:?} is not a whole number"))
                })?)
            }
            Some(Value::Boolean(_)) => match text.to_ascii_lowercase().as_str() {
                "true" | "1" | "yes" | "on" => Value::Boolean(true),
                "false" | "0" | "no" | "off" => Value::Boolean(false),
                _ => {
                    return Err(ConfigError::new(
                        origin,
                        format!("{text:?} is neither true nor false"),
                    ));
                }
            },
            Some(Value::Array(_)) => {
                let parts = text.split(':').filter(|part| !part.is_empty());
                Value::Array(parts.map(Value::from).collect())
            }
            Some(Value::Table(present)) => {
                let mut present = present.clone();
                present.extend(named(text).map_err(|problem| ConfigError::new(origin, problem))?);
                Value::Table(present)
            }
            _ => Value::String(text.to_owned()),
        };
        let mut values = self.values.clone();
        values.insert(setting.name.to_owned(), value);
        let config = Config::deserialize(values.clone())
            .map_err(|e| ConfigError::new(origin, e.message()))?;
        config.check(origin)?;
        self.values = values;
        Ok(())
    }

    /// What came out on top.
    pub(crate) fn config(self) -> Result<Config, ConfigError> {
        Config::deserialize(self.values).map_err(|e| ConfigError::new("settings", e))
    }
}

/// Reads `NAME=URL;KEY=VALUE;KEY …`, where a key without a value is set. What is wrong is not repeated: a secret may
/// have been written in the place of a reference.
fn named(text: &str) -> Result<Table, String> {
    let mut named = Table::new();
    for one in text.split_whitespace() {
        let mut parts = one.split(';');
        let first = parts.next().and_then(|first| first.split_once('='));
        let Some((name, url)) = first else {
            return Err("must be NAME=URL, with spaces between several".to_owned());
        };
        let mut place = Table::new();
        place.insert("url".to_owned(), url.into());
        for part in parts {
            let (key, value) = match part.split_once('=') {
                Some((key, value)) => (key, Value::from(value)),
                None => (part, Value::Boolean(true)),
            };
            place.insert(key.to_owned(), value);
        }
        if named.insert(name.to_owned(), place.into()).is_some() {
            return Err(format!("names {name:?} twice"));
        }
    }
    Ok(named)
}

#[cfg(test)]
mod documented;
#[cfg(test)]
mod tests;
