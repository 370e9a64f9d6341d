//! Servers on a bucket of S3, where there is one for tests; see the conformance suite of `shoots-store`.

use std::io::Write;

use shoots_client::PutMode;

use crate::rows::{get, numbers, put, rows};
use crate::server::{Server, binary, fresh_folder, run};

/// A folder of S3 that nobody else uses; none, and a word about it, if there is no S3 for tests.
pub(crate) fn location() -> Option<String> {
    let Ok(bucket) = std::env::var("SHOOTS_TEST_S3") else {
        let said = "tests on S3 are skipped: SHOOTS_TEST_S3 is not set, see `cargo xtask test`";
        writeln!(std::io::stderr(), "{said}").unwrap();
        return None;
    };
    let folder = fresh_folder();
    let unique = folder.path().file_name().unwrap().to_str().unwrap();
    Some(format!("{bucket}/e2e{unique}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_servers_on_one_bucket_see_each_others_commits_and_the_frames_outlive_them() {
    let Some(location) = location() else { return };
    let folders = [fresh_folder(), fresh_folder()];
    let server = async |which: usize| {
        let cache = folders[which].path().to_str().unwrap();
        Server::at(&location, &folders[which], &["--cache-folder", cache]).await
    };
    let servers = [server(0).await, server(1).await];
    let clients = [servers[0].client().await, servers[1].client().await];
    for turn in 0..4_usize {
        let first = i64::try_from(turn).unwrap() * 10;
        put(
            &clients[turn % 2],
            "nyc/a",
            PutMode::Append,
            rows(first..first + 10),
        )
        .await;
        let seen = get(&clients[(turn + 1) % 2], "nyc/a").await;
        assert_eq!(numbers(&seen), (0..first + 10).collect::<Vec<_>>());
    }
    for server in servers {
        server.stop().await;
    }
    let again = server(0).await;
    let seen = get(&again.client().await, "nyc/a").await;
    assert_eq!(numbers(&seen), (0..40).collect::<Vec<_>>());
    again.stop().await;
}

#[tokio::test]
async fn a_bucket_that_does_not_exist_or_a_location_with_secrets_is_one_clear_line() {
    let Some(_) = location() else { return };
    for (location, told) in [
        (
            "s3://no-such-bucket-here/x",
            "no such bucket of the object store: s3://no-such-bucket-here/x",
        ),
        (
            "s3://key:hunter2@bucket/x",
            "they come from the environment",
        ),
    ] {
        let mut command = binary();
        command.args(["--port", "0", "--bucket-dir", location]);
        let (status, out, log) = run(&mut command).await;
        assert_eq!((status, out.as_str()), (Some(1), ""));
        assert!(log.contains(told) && !log.contains("hunter2"), "{log}");
        // Besides, it may have found what another server left.
        let own = log
            .lines()
            .filter(|line| line.starts_with("shoots-server: "));
        assert_eq!(own.count(), 1, "{log}");
    }
}
