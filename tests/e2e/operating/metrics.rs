//! Metrics follow what happens, and say nothing of names.

use shoots_client::{ErrorKind, PutMode};

use super::pages::{address_of, page, value};
use crate::refusal::assert_refused;
use crate::rows::{get, numbers, put, rows};
use crate::server::Server;

#[tokio::test]
async fn what_calls_do_shows_in_the_metrics_and_no_name_does() {
    let mut server = Server::with(&["--metrics-port", "0"]).await;
    let address = address_of(&mut server).await;
    let client = server.client().await;
    put(&client, "a/secret-frame", PutMode::Error, rows(0..100)).await;
    assert_eq!(get(&client, "a/secret-frame").await, rows(0..100));
    let sql = client.sql("a/secret-frame", "select count(*) from \"secret-frame\"");
    assert_eq!(numbers(&sql.collect_one().await.unwrap()), [100]);
    let missing = client.get("nothing").collect_one().await;
    assert_refused(missing, ErrorKind::FileNotFoundError, &["nothing"]);
    client.ping().await.unwrap();
    client.frame("a/secret-frame").log().send().await.unwrap();

    let (status, text) = page(&address, "/metrics").await;
    assert_eq!(status, 200);
    for (metric, expected) in [
        ("shoots_calls_total{call=\"DoPut\",action=\"\"}", 1.0),
        ("shoots_calls_total{call=\"DoAction\",action=\"log\"}", 1.0),
        (
            "shoots_call_errors_total{call=\"DoGet\",action=\"\",kind=\"FileNotFoundError\"}",
            1.0,
        ),
        (
            "shoots_call_duration_seconds_count{call=\"DoPut\",action=\"\"}",
            1.0,
        ),
        ("shoots_received_rows_total", 100.0),
        ("shoots_sent_rows_total", 101.0),
        ("shoots_calls_running", 0.0),
        ("shoots_connections_open", 1.0),
        ("shoots_connections_refused_total", 0.0),
        ("shoots_queries_running", 0.0),
        ("shoots_queries_waiting", 0.0),
        ("shoots_puts_waiting", 0.0),
        ("shoots_memory_used_bytes{budget=\"puts\"}", 0.0),
        ("shoots_memory_budget_bytes{budget=\"puts\"}", 268_435_456.0),
        ("shoots_store_errors_total{operation=\"put\"}", 0.0),
    ] {
        assert_eq!(value(&text, metric), expected, "{metric}");
    }
    for more in [
        "shoots_received_bytes_total",
        "shoots_sent_bytes_total",
        "shoots_store_operations_total{operation=\"put\"}",
        "shoots_store_operations_total{operation=\"get\"}",
        "shoots_store_written_bytes_total",
        "shoots_segments_read_total",
        "shoots_segments_read_bytes_total",
        "shoots_cache_misses_total{cache=\"footers\"}",
        "shoots_uptime_seconds",
        "process_resident_memory_bytes",
        "process_open_fds",
        "process_start_time_seconds",
        "shoots_build_info{version=\"0.1.0\"}",
    ] {
        assert!(value(&text, more) > 0.0, "{more}");
    }
    assert!(text.ends_with("# EOF\n"));
    assert!(!text.contains("secret-frame"));
    let names = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let mut names: Vec<&str> = names.map(|line| line.split(' ').next().unwrap()).collect();
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all, "each metric is described once");
    server.stop().await;
}

#[tokio::test]
async fn an_action_that_nobody_knows_gets_no_label_of_its_own() {
    let mut server = Server::with(&["--metrics-port", "0"]).await;
    let address = address_of(&mut server).await;
    let mut peer = crate::peer::Peer::of(&server).await;
    for number in 0..20 {
        peer.act(&format!("made-up-{number}"), "{}")
            .await
            .unwrap_err();
    }
    let (_, text) = page(&address, "/metrics").await;
    assert!(!text.contains("made-up"), "{text}");
    let calls = "shoots_calls_total{call=\"DoAction\",action=\"other\"}";
    assert_eq!(value(&text, calls), 20.0);
    server.stop().await;
}
