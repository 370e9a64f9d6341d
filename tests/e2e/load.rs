//! The load of the example `load`, in short, against a server whose limits it meets now and then.

// The example has more uses for it.
#[path = "../../client/examples/load/generator.rs"]
mod generator;

use std::time::Duration;

use generator::Load;

use crate::server::Server;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_under_load_is_right_and_only_limits_refuse() {
    let server = Server::with(&["--max-calls", "10", "--queries-at-once", "2"]).await;
    let load = Load {
        url: server.url(),
        idle: 100,
        busy: 16,
        rows: 100,
        time: Duration::from_secs(3),
    };
    let mut figures = generator::run(&load).await.unwrap();
    assert_eq!(figures.idle, 100);
    assert!(figures.puts >= 16 && figures.gets >= 16 && figures.queries >= 16);
    assert!(figures.quantile(1.0) > 0.0);
    assert_eq!(figures.rows_put, 100 * figures.puts);
    assert!(figures.rows_got >= 100 * figures.gets && figures.steps() > 48);
    // 16 clients with places for 10 calls.
    assert!(figures.limited > 0);
    server.stop().await;
}
