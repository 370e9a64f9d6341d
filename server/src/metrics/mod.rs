//! What the server counts about itself, for Prometheus.
//!
//! [`Metrics`] is counted into while calls run; each count is an atomic addition. What others count or know anyway (the
//! store, the queues of queries, the process) is looked up by [`observed`] when somebody asks. [`pages`] serves both over
//! HTTP, beside the pages that tell whether the server lives and is ready.
//!
//! Labels have few values, all of them known beforehand: names of calls, of actions, kinds of errors. No name that a user
//! chose is among them.

pub(crate) mod observed;
pub(crate) mod pages;
mod process;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use shoots_proto::ErrorKind;
use tokio::sync::Semaphore;

use crate::call::attended;
use crate::call::record::{Outcome, Record};
use crate::service::action_labels;

/// What the name of each metric begins with.
pub(crate) const PREFIX: &str = "shoots";

/// Upper ends of the buckets of latencies, in seconds.
const LATENCIES: [f64; 15] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0, 600.0,
];

/// Errors of which the first one must be seen, too (`deploy/alerts.yml`): a series that begins with it never rises.
const WATCHED: [ErrorKind; 5] = [
    ErrorKind::InternalError,
    ErrorKind::DamagedError,
    ErrorKind::NoSpaceError,
    ErrorKind::OutcomeUnknownError,
    ErrorKind::LimitError,
];

/// A call, and the action that it asks for, if it asks for one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallLabels {
    call: &'static str,
    action: &'static str,
}

/// The same, and how it went wrong.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ErrorLabels {
    call: &'static str,
    action: &'static str,
    kind: &'static str,
}

/// Counted while calls run.
#[derive(Debug)]
pub(crate) struct Metrics {
    calls: Family<CallLabels, Counter>,
    errors: Family<ErrorLabels, Counter>,
    seconds: Family<CallLabels, Histogram>,
    pub(crate) calls_running: Gauge,
    pub(crate) received_bytes: Counter,
    pub(crate) sent_bytes: Counter,
    pub(crate) received_rows: Counter,
    pub(crate) sent_rows: Counter,
    pub(crate) connections_open: Gauge,
    pub(crate) connections_accepted: Counter,
    pub(crate) connections_refused: Counter,
    pub(crate) connections_idled: Counter,
    receive_memory: OnceLock<ReceiveMemory>,
}

/// The budget for messages that are being received.
#[derive(Debug)]
struct ReceiveMemory {
    free: Arc<Semaphore>,
    unit: u64,
    total: u64,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            calls: Family::default(),
            errors: Family::default(),
            seconds: Family::new_with_constructor(|| Histogram::new(LATENCIES)),
            calls_running: Gauge::default(),
            received_bytes: Counter::default(),
            sent_bytes: Counter::default(),
            received_rows: Counter::default(),
            sent_rows: Counter::default(),
            connections_open: Gauge::default(),
            connections_accepted: Counter::default(),
            connections_refused: Counter::default(),
            connections_idled: Counter::default(),
            receive_memory: OnceLock::new(),
        }
    }
}

impl Metrics {
    /// Counts a call that has ended.
    pub(crate) fn count_call(&self, record: &Record, outcome: &Outcome, took: Duration) {
        let (call, action) = (record.call(), record.action());
        let labels = CallLabels { call, action };
        self.calls.get_or_create(&labels).inc();
        self.seconds
            .get_or_create(&labels)
            .observe(took.as_secs_f64());
        if let Some(kind) = outcome.error() {
            let labels = ErrorLabels { call, action, kind };
            self.errors.get_or_create(&labels).inc();
        }
    }

    /// Says where the budget for messages is, of which each free permit stands for `unit` bytes.
    pub(crate) fn watch_receive_memory(&self, free: &Arc<Semaphore>, unit: u64, total: u64) {
        let free = Arc::clone(free);
        self.receive_memory
            .get_or_init(|| ReceiveMemory { free, unit, total });
    }

    /// Bytes of messages that are being received, and the most that there may be.
    fn receive_memory(&self) -> (u64, u64) {
        self.receive_memory.get().map_or((0, 0), |memory| {
            let free = memory.free.available_permits() as u64 * memory.unit;
            (memory.total.saturating_sub(free), memory.total)
        })
    }

    /// Lets the series of errors that are watched begin with 0, for every call.
    fn begin_errors(&self) {
        let calls = attended::labels().map(|call| (call, ""));
        let actions = action_labels().map(|action| (attended::ACTION, action));
        for (call, action) in calls.chain(actions) {
            for kind in WATCHED.map(|kind| kind.as_str()) {
                let labels = ErrorLabels { call, action, kind };
                self.errors.get_or_create(&labels).inc_by(0);
            }
        }
    }

    /// Lists what is counted here.
    fn register(&self, registry: &mut Registry) {
        self.begin_errors();
        registry.register(
            "calls",
            "Calls that have ended, however they did",
            self.calls.clone(),
        );
        registry.register(
            "call_errors",
            "Calls that ended with an error, by its kind",
            self.errors.clone(),
        );
        registry.register_with_unit(
            "call_duration",
            "Time from a call's headers to the end of its answer",
            Unit::Seconds,
            self.seconds.clone(),
        );
        registry.register(
            "calls_running",
            "Calls that are being answered",
            self.calls_running.clone(),
        );
        registry.register_with_unit(
            "received",
            "Bytes of requests, without headers",
            Unit::Bytes,
            self.received_bytes.clone(),
        );
        registry.register_with_unit(
            "sent",
            "Bytes of answers, without headers",
            Unit::Bytes,
            self.sent_bytes.clone(),
        );
        registry.register(
            "received_rows",
            "Rows that callers have put",
            self.received_rows.clone(),
        );
        registry.register(
            "sent_rows",
            "Rows that callers have got",
            self.sent_rows.clone(),
        );
        registry.register(
            "connections_open",
            "Connections that have a place",
            self.connections_open.clone(),
        );
        registry.register(
            "connections_accepted",
            "Connections that got a place",
            self.connections_accepted.clone(),
        );
        registry.register(
            "connections_refused",
            "Connections beyond max_connections",
            self.connections_refused.clone(),
        );
        registry.register(
            "connections_idled",
            "Connections that were closed after idle_seconds",
            self.connections_idled.clone(),
        );
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text;

    use super::*;

    #[test]
    fn errors_that_an_alert_watches_are_counted_from_zero_for_every_call() {
        let mut registry = Registry::default();
        Metrics::default().register(&mut registry);
        let mut page = String::new();
        text::encode(&mut page, &registry).unwrap();
        let alerts = include_str!("../../../deploy/alerts.yml");
        let kinds = alerts.split("kind=\"").skip(1);
        let kinds: Vec<_> = kinds.map(|rest| rest.split('"').next().unwrap()).collect();
        assert!(kinds.contains(&"DamagedError"), "{kinds:?}");
        for kind in kinds {
            for (call, action) in [("DoGet", ""), ("DoPut", ""), ("DoAction", "verify")] {
                let series = format!(
                    "call_errors_total{{call=\"{call}\",action=\"{action}\",kind=\"{kind}\"}} 0\n"
                );
                assert!(page.contains(&series), "{series}");
            }
        }
    }
}
