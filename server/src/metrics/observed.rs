//! What is looked up when somebody asks for metrics: the store, queries, the process.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::{Registry, Unit};
use shoots_store::Store;

use super::{Metrics, PREFIX, process};
use crate::query::Queries;
use crate::shm::{SharedFiles, SharedUsage};

/// Everything that is looked up.
#[derive(Debug)]
pub(crate) struct Observed {
    store: Store,
    queries: Queries,
    files: Option<SharedFiles>,
    metrics: Arc<Metrics>,
    started: Instant,
    started_at: f64,
}

/// All metrics of a server.
pub(crate) fn registry(
    metrics: &Arc<Metrics>,
    store: &Store,
    queries: &Queries,
    files: &Option<SharedFiles>,
) -> Registry {
    let mut registry = Registry::default();
    metrics.register(registry.sub_registry_with_prefix(PREFIX));
    registry.register_collector(Box::new(Observed {
        store: store.clone(),
        queries: queries.clone(),
        files: files.clone(),
        metrics: Arc::clone(metrics),
        started: Instant::now(),
        started_at: process::now(),
    }));
    registry
}

type Label = (&'static str, &'static str);

/// Writes metrics one after the other.
struct Writer<'a>(DescriptorEncoder<'a>);

impl Writer<'_> {
    fn gauge(&mut self, name: &str, help: &str, unit: Option<&Unit>, value: f64) -> fmt::Result {
        let encoder = self
            .0
            .encode_descriptor(name, help, unit, MetricType::Gauge)?;
        ConstGauge::new(value).encode(encoder)
    }

    fn gauges(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<&Unit>,
        values: &[(Label, u64)],
    ) -> fmt::Result {
        let mut encoder = self
            .0
            .encode_descriptor(name, help, unit, MetricType::Gauge)?;
        for (label, value) in values {
            let value = i64::try_from(*value).unwrap_or(i64::MAX);
            ConstGauge::new(value).encode(encoder.encode_family(&[*label])?)?;
        }
        Ok(())
    }

    fn counter(&mut self, name: &str, help: &str, unit: Option<&Unit>, value: u64) -> fmt::Result {
        let encoder = self
            .0
            .encode_descriptor(name, help, unit, MetricType::Counter)?;
        ConstCounter::new(value).encode(encoder)
    }

    fn counters(&mut self, name: &str, help: &str, values: &[(Label, u64)]) -> fmt::Result {
        let mut encoder = self
            .0
            .encode_descriptor(name, help, None, MetricType::Counter)?;
        for (label, value) in values {
            ConstCounter::new(*value).encode(encoder.encode_family(&[*label])?)?;
        }
        Ok(())
    }
}

impl Observed {
    fn process(&self, to: &mut Writer<'_>) -> fmt::Result {
        let bytes = Some(&Unit::Bytes);
        let seconds = Some(&Unit::Seconds);
        if let Some(resident) = process::resident_bytes() {
            let help = "Resident memory of the process";
            to.gauge("process_resident_memory", help, bytes, resident as f64)?;
        }
        if let Some(open) = process::open_files() {
            let help = "Files and sockets that the process has open";
            to.gauge("process_open_fds", help, None, open as f64)?;
        }
        if let Some(most) = process::most_open_files() {
            let help = "Files and sockets that the process may have open";
            to.gauge("process_max_fds", help, None, most as f64)?;
        }
        let help = "When the server started, since 1970";
        to.gauge("process_start_time", help, seconds, self.started_at)?;
        let uptime = self.started.elapsed().as_secs_f64();
        let help = "How long the server has been running";
        to.gauge("shoots_uptime", help, seconds, uptime)?;
        let version = [(("version", env!("CARGO_PKG_VERSION")), 1)];
        to.gauges("shoots_build_info", "What is running", None, &version)
    }

    fn memory(&self, to: &mut Writer<'_>) -> fmt::Result {
        let activity = self.store.activity();
        let (puts, rows) = (activity.put_memory, activity.row_cache);
        let queries = self.queries.usage();
        let files = self.shared_files();
        let (receiving, receiving_most) = self.metrics.receive_memory();
        let bytes = Some(&Unit::Bytes);
        let used = [
            (("budget", "puts"), puts.used_bytes),
            (("budget", "messages"), receiving),
            (("budget", "query_operators"), queries.operator_bytes),
            (("budget", "query_values"), queries.value_bytes),
            (("budget", "row_cache"), rows.used_bytes),
            (("budget", "shm"), files.used_bytes),
        ];
        let help = "Memory in use of each budget";
        to.gauges("shoots_memory_used", help, bytes, &used)?;
        let most = [
            (("budget", "puts"), puts.bytes),
            (("budget", "messages"), receiving_most),
            (("budget", "query_operators"), queries.memory_bytes),
            (("budget", "query_values"), queries.memory_bytes),
            (("budget", "row_cache"), rows.bytes),
            (("budget", "shm"), files.bytes),
        ];
        let help = "What each budget may take";
        to.gauges("shoots_memory_budget", help, bytes, &most)
    }

    fn shared_files(&self) -> SharedUsage {
        let usage = self.files.as_ref().map(SharedFiles::usage);
        usage.unwrap_or_default()
    }

    fn files(&self, to: &mut Writer<'_>) -> fmt::Result {
        let files = self.shared_files();
        let help = "Files that clients on this machine may map";
        to.gauge("shoots_shm_files", help, None, files.files as f64)?;
        let help = "Gets that were answered with such a file";
        to.counter("shoots_shm_hits", help, None, files.hits)?;
        let help = "Such files that were begun to be written";
        to.counter("shoots_shm_misses", help, None, files.misses)?;
        let help = "Such files that were removed because nobody used them";
        to.counter("shoots_shm_evictions", help, None, files.evictions)
    }

    fn queues(&self, to: &mut Writer<'_>) -> fmt::Result {
        let queries = self.queries.usage();
        let help = "Queries that compute";
        to.gauge("shoots_queries_running", help, None, queries.running as f64)?;
        let help = "Queries that wait for their turn to begin";
        to.gauge("shoots_queries_waiting", help, None, queries.waiting as f64)?;
        let waiting = self.store.activity().put_memory.waiting;
        let help = "Puts that wait for memory";
        to.gauge("shoots_puts_waiting", help, None, waiting as f64)
    }

    fn store(&self, to: &mut Writer<'_>) -> fmt::Result {
        let activity = self.store.activity();
        let operations = activity
            .operations
            .map(|one| (("operation", one.name), one.count));
        let help = "What was asked of the storage";
        to.counters("shoots_store_operations", help, &operations)?;
        let errors = activity
            .operations
            .map(|one| (("operation", one.name), one.errors));
        let help = "What the storage failed to do; that an object is absent, or there already, is no failure";
        to.counters("shoots_store_errors", help, &errors)?;
        let bytes = Some(&Unit::Bytes);
        let help = "Bytes of objects that were asked for";
        to.counter("shoots_store_read", help, bytes, activity.read_bytes)?;
        let help = "Bytes of objects that were written";
        to.counter("shoots_store_written", help, bytes, activity.written_bytes)?;
        let help = "Segments, and plain files, that were read from, once for each reader";
        to.counter("shoots_segments_read", help, None, activity.segment_reads)?;
        let help = "Bytes of segments that readers fetched";
        to.counter("shoots_segments_read", help, bytes, activity.segment_bytes)?;
        let hits = activity.caches.map(|one| (("cache", one.name), one.hits));
        to.counters("shoots_cache_hits", "What a cache had", &hits)?;
        let misses = activity.caches.map(|one| (("cache", one.name), one.misses));
        to.counters("shoots_cache_misses", "What a cache did not have", &misses)
    }
}

impl Collector for Observed {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut writer = Writer(encoder);
        self.process(&mut writer)?;
        self.memory(&mut writer)?;
        self.queues(&mut writer)?;
        self.files(&mut writer)?;
        self.store(&mut writer)
    }
}
