//! What bounds a query, and what one that met a limit is told: the setting, its value, and what to do.
//!
//! | module | what it bounds |
//! |---|---|
//! | [`memory`] | memory of one query, as a share of that of all |
//! | [`sizes`], [`joined`] | values that functions make, of which DataFusion asks nobody |
//! | [`widths`] | values that are large by their type |
//! | [`patterns`] | what looks for patterns in texts, of which DataFusion asks nobody either |
//! | [`spill`] | where queries write what they cannot hold, and that it does not stay |
//! | [`turns`] | how many queries compute at once, and how many wait, in fair turns |
//! | [`held`] | rows that windows over whole partitions hold |
//! | [`windows`] | what aggregates over windows hold and make, and for how long |
//! | [`interrupt`] | for how long a query goes on that is not wanted any more |

pub(in crate::query) mod held;
pub(in crate::query) mod interrupt;
pub(in crate::query) mod joined;
pub(in crate::query) mod memory;
mod passing;
pub(in crate::query) mod patterns;
pub(in crate::query) mod sizes;
pub(in crate::query) mod spill;
pub(in crate::query) mod turns;
pub(in crate::query) mod widths;
pub(in crate::query) mod windows;

use std::error::Error;
use std::io;
use std::time::Duration;

use datafusion::error::DataFusionError;
use shoots_proto::ErrorKind;
use tokio::time::Instant;

use crate::config::Config;
use crate::status::Failure;

/// The limits of one query that are met while it runs.
#[derive(Debug, Clone)]
pub(in crate::query) struct Limits {
    pub(in crate::query) time: Duration,
    /// The setting that bounds a query's memory, and to how much.
    memory: (&'static str, u64),
    spill_bytes: u64,
    spill_folder: String,
}

impl Limits {
    pub(in crate::query) fn new(config: &Config) -> Self {
        Self {
            time: config.query_time(),
            memory: match config.query_memory_bytes < config.query_memory_bytes_each {
                true => ("query_memory_bytes", config.query_memory_bytes),
                false => ("query_memory_bytes_each", config.query_memory_bytes_each),
            },
            spill_bytes: config.query_spill_bytes,
            spill_folder: config.query_spill_folder.clone(),
        }
    }

    /// The query's time is over.
    pub(in crate::query) fn too_long(&self) -> Failure {
        let seconds = self.time.as_secs();
        let problem = format!(
            "the query took longer than the server allows (query_seconds is {seconds} s); ask for less, or have the setting raised"
        );
        Failure::new(ErrorKind::LimitError, problem)
    }

    /// The query's time is over, and it has waited for its turn to be planned since then.
    pub(in crate::query) fn waited_too_long(&self, since: Instant) -> Failure {
        let problem = format!(
            "the query waited {} s for its turn to be planned, until its time was over (query_seconds is {} s): the server is busy, \
             try again later",
            since.elapsed().as_secs(),
            self.time.as_secs()
        );
        Failure::new(ErrorKind::LimitError, problem)
    }

    /// What a query failed with. Where that is a limit, the setting is named.
    pub(in crate::query) fn failure(&self, error: DataFusionError) -> Failure {
        let text = error.strip_backtrace();
        let folder = match self.spill_folder.as_str() {
            "" => "the system's temporary folder, because query_spill_folder is empty".to_owned(),
            folder => format!("query_spill_folder is {folder}"),
        };
        let spilling = trouble_of_spilling(&error);
        if let Some(io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) = spilling {
            let problem = format!(
                "the disk for what the query cannot hold in memory is full ({folder}); ask for less, or free some space there: {text}"
            );
            return Failure::new(ErrorKind::NoSpaceError, problem);
        }
        // DataFusion knows this only as an error of the file.
        if text.contains("disk space during the spilling") {
            let problem = format!(
                "query_spill_bytes is {}, and queries need more disk space for what they cannot hold in memory; ask \
                 for less, or have the setting raised",
                self.spill_bytes
            );
            return Failure::new(ErrorKind::LimitError, problem);
        }
        if spilling.is_some() {
            let problem = format!(
                "what the query cannot hold in memory could not be written or read again ({folder}); see that the server \
                 can write there and nobody removes its files, and try again: {text}"
            );
            return Failure::new(ErrorKind::ShootsIOError, problem);
        }
        match error.find_root() {
            DataFusionError::ResourcesExhausted(told) if told.contains("query_memory_bytes") => {
                Failure::new(ErrorKind::LimitError, told)
            }
            DataFusionError::ResourcesExhausted(told) => {
                let (setting, bytes) = self.memory;
                let problem = format!(
                    "{setting} is {bytes}, query_spill_bytes is {}, and the query needs more; ask for less, or have \
                     them raised. {told}",
                    self.spill_bytes
                );
                Failure::new(ErrorKind::LimitError, problem)
            }
            _ => error.into(),
        }
    }
}

/// What the system said of a file of a query's own. There are no others that a query reads by itself: what the store says
/// of its files is in an error of the store.
fn trouble_of_spilling(error: &DataFusionError) -> Option<io::ErrorKind> {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if error.is::<shoots_store::Error>() {
            return None;
        }
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return Some(error.kind());
        }
        cause = error.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(error: DataFusionError) -> (ErrorKind, String) {
        let config = Config {
            query_spill_folder: "/spilt".into(),
            query_spill_bytes: 1234,
            ..Config::default()
        };
        match Limits::new(&config).failure(error) {
            Failure::Domain(body) => (body.kind, body.message),
            other => panic!("{other}"),
        }
    }

    #[test]
    fn a_full_disk_is_told_with_its_folder() {
        let full = || io::Error::from(io::ErrorKind::StorageFull);
        let arrow = datafusion::arrow::error::ArrowError::IoError("write".into(), full());
        for error in [DataFusionError::IoError(full()), arrow.into()] {
            let (kind, message) = told(error.context("spilling"));
            assert_eq!(kind, ErrorKind::NoSpaceError);
            assert!(message.contains("/spilt"), "{message}");
        }
    }

    #[test]
    fn whatever_is_exhausted_is_told_with_settings() {
        let error = DataFusionError::ResourcesExhausted("no more".into());
        let (kind, message) = told(error.context("merging"));
        assert_eq!(kind, ErrorKind::LimitError);
        assert!(message.contains("query_spill_bytes is 1234"), "{message}");
        assert!(message.contains("query_memory_bytes_each is"), "{message}");
        let small = Config {
            query_memory_bytes: 1_000,
            ..Config::default()
        };
        let error = DataFusionError::ResourcesExhausted("no more".into());
        let message = Limits::new(&small).failure(error).to_string();
        assert!(message.contains("query_memory_bytes is 1000,"), "{message}");
        let other = told(DataFusionError::Execution("Divide by zero".into()));
        assert_eq!(other.0, ErrorKind::DataFusionError);
    }
}
