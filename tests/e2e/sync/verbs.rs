//! Two servers: clone, fetch, pull, push, merge, each way.

use shoots_client::arrow_array::RecordBatch;
use shoots_client::proto::RemoteName;
use shoots_client::{AsOf, ErrorKind, Favour, PutMode, ShootsClient, SyncAnswer, SyncOutcome};

use super::{QUIET, objects, outcome, tip};
use crate::refusal::assert_refused;
use crate::rows::{get, numbers, put, rows};
use crate::server::Server;

/// A server, and another that knows it as `origin`.
async fn pair() -> [Server; 2] {
    let one = Server::with(QUIET).await;
    let origin = format!("origin=grpc://{}", one.address());
    let arguments = [QUIET, &["--remote", &origin]].concat();
    let other = Server::with(&arguments).await;
    [one, other]
}

async fn clients([one, other]: &[Server; 2]) -> [ShootsClient; 2] {
    [one.client().await, other.client().await]
}

/// What a query about the frame `a` gives.
async fn queried(client: &ShootsClient, sql: &str) -> RecordBatch {
    client.sql("a", sql).collect_one().await.unwrap()
}

async fn stop([one, other]: [Server; 2]) {
    one.stop().await;
    other.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clone_is_the_same_frame_and_a_second_pull_moves_nothing() {
    let servers = pair().await;
    let [one, other] = clients(&servers).await;
    put(&one, "nyc/a", PutMode::Append, rows(0..5)).await;
    put(&one, "nyc/a", PutMode::Append, rows(5..9)).await;

    let cloned = other.clone_frames("origin").frame("nyc/a").send().await;
    let cloned = cloned.unwrap();
    assert_eq!(outcome(&cloned), SyncOutcome::Created);
    assert_eq!(cloned.frames[0].versions, 2);
    assert_eq!(get(&other, "nyc/a").await, rows(0..9));
    assert_eq!(tip(&other, "nyc/a").await, tip(&one, "nyc/a").await);
    let log = other.frame("nyc/a").log().send().await.unwrap();
    assert_eq!(
        log.commits.iter().filter(|c| !c.expired).count(),
        log.commits.len()
    );

    put(&one, "nyc/a", PutMode::Append, rows(9..10)).await;
    let pulled = other.pull("origin").frame("nyc/a").send().await.unwrap();
    assert_eq!(outcome(&pulled), SyncOutcome::Moved);
    assert_eq!(objects(&pulled), 1, "one segment: {pulled:?}");
    assert_eq!(get(&other, "nyc/a").await, rows(0..10));
    let again = other.pull("origin").frame("nyc/a").send().await.unwrap();
    assert_eq!(outcome(&again), SyncOutcome::Unchanged);
    assert_eq!((objects(&again), again.frames[0].bytes), (0, 0));
    stop(servers).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_push_moves_the_other_side_forward_and_is_refused_once_that_has_moved_on() {
    let servers = pair().await;
    let [one, other] = clients(&servers).await;
    put(&other, "a", PutMode::Append, rows(0..5)).await;
    let pushed = other.push("origin").frame("a").send().await.unwrap();
    assert_eq!(outcome(&pushed), SyncOutcome::Created);
    assert_eq!(get(&one, "a").await, rows(0..5));

    put(&other, "a", PutMode::Append, rows(5..6)).await;
    let pushed = other.push("origin").frame("a").send().await.unwrap();
    assert_eq!(outcome(&pushed), SyncOutcome::Moved);
    let again = other.push("origin").frame("a").send().await.unwrap();
    assert_eq!(
        (outcome(&again), objects(&again)),
        (SyncOutcome::Unchanged, 0)
    );

    put(&one, "a", PutMode::Append, rows(6..7)).await;
    put(&other, "a", PutMode::Append, rows(7..8)).await;
    let refused = other.push("origin").frame("a").send().await;
    assert_refused(refused, ErrorKind::DivergedError, &["pull first"]);
    assert_eq!(get(&one, "a").await, rows(0..7));

    let pulled = other.pull("origin").frame("a").send().await.unwrap();
    assert_eq!(outcome(&pulled), SyncOutcome::Merged);
    let pushed = other.push("origin").frame("a").send().await.unwrap();
    assert_eq!(outcome(&pushed), SyncOutcome::Moved);
    assert_eq!(get(&one, "a").await, rows(0..8));
    assert_eq!(get(&other, "a").await, rows(0..8));
    assert_eq!(tip(&other, "a").await, tip(&one, "a").await);
    stop(servers).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pull_can_stop_before_it_merges_and_both_lines_are_told() {
    let servers = pair().await;
    let [one, other] = clients(&servers).await;
    put(&one, "a", PutMode::Append, rows(0..2)).await;
    other
        .clone_frames("origin")
        .frame("a")
        .send()
        .await
        .unwrap();
    put(&one, "a", PutMode::Append, rows(2..3)).await;
    put(&other, "a", PutMode::Append, rows(3..4)).await;
    put(&other, "a", PutMode::Append, rows(4..5)).await;

    let held = other.pull("origin").frame("a").merge(false).send().await;
    let held = held.unwrap();
    assert_eq!(outcome(&held), SyncOutcome::Diverged);
    assert_eq!((held.frames[0].ahead, held.frames[0].behind), (2, 1));
    assert_eq!(numbers(&get(&other, "a").await), [0, 1, 3, 4]);
    let told = other.remotes().frames().send().await.unwrap();
    let frames = told.remotes[0].frames.as_ref().unwrap();
    assert_eq!(frames[0].to_string(), "ahead 2, behind 1");
    assert_eq!(
        told.remotes[0].url,
        format!("grpc://{}", servers[0].address())
    );

    let origin = AsOf::Remote(RemoteName::parse("origin").unwrap());
    let there = other.get("a").as_of(origin.clone()).collect_one().await;
    assert_eq!(numbers(&there.unwrap()), [0, 1, 2]);
    let sql = "select n from as_of('a', 'origin') where n > 0 order by n";
    assert_eq!(numbers(&queried(&other, sql).await), [1, 2]);
    let refused = other.frame("a").restore(origin).send().await;
    let told = ["origin", "is no version here"];
    assert_refused(refused, ErrorKind::InvalidRequestError, &told);

    let merged = other.merge("origin").frame("a").send().await.unwrap();
    assert_eq!(outcome(&merged), SyncOutcome::Merged);
    assert_eq!(numbers(&get(&other, "a").await), [0, 1, 2, 3, 4]);
    let log = other.frame("a").log().all().send().await.unwrap();
    let merge = &log.commits.iter().find(|c| c.operation == "merge").unwrap();
    assert_eq!((merge.rows_added, merge.rows_removed), (1, 0));
    assert_eq!(merge.brings.len(), 1);
    let brought = AsOf::Commit(merge.brings[0].commit.clone());
    let brought = other.get("a").as_of(brought).collect_one().await;
    assert_eq!(numbers(&brought.unwrap()), [0, 1, 2]);
    let sql = format!(
        "select rows_added as n from history('a', all => true) where brought_by = {} and version is null",
        merge.version
    );
    assert_eq!(numbers(&queried(&other, &sql).await), [1]);
    stop(servers).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_conflict_names_both_commits_and_is_settled_by_a_side() {
    let servers = pair().await;
    let [one, other] = clients(&servers).await;
    put(&one, "a", PutMode::Append, rows(0..2)).await;
    put(&other, "a", PutMode::Append, rows(5..6)).await;
    let refused = other.pull("origin").frame("a").send().await;
    let commits = [tip(&one, "a").await, tip(&other, "a").await];
    let named: Vec<&str> = commits.iter().map(|commit| &commit[..8]).collect();
    assert_refused(refused, ErrorKind::MergeConflictError, &named);
    assert_eq!(get(&other, "a").await, rows(5..6));
    let settled = other.pull("origin").frame("a").favour(Favour::Theirs);
    assert_eq!(outcome(&settled.send().await.unwrap()), SyncOutcome::Merged);
    assert_eq!(get(&other, "a").await, rows(0..2));
    stop(servers).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_frames_travel_together_under_other_names_and_tell_their_progress() {
    let servers = pair().await;
    let [one, other] = clients(&servers).await;
    for frame in ["nyc/a", "nyc/b", "rome/a", "c"] {
        put(&one, frame, PutMode::Append, rows(0..3)).await;
    }
    let bucket = other.clone_frames("origin").bucket("nyc").matching("^a");
    let cloned = bucket.target_bucket("york").send().await.unwrap();
    assert_eq!(outcome(&cloned), SyncOutcome::Created);
    assert_eq!(get(&other, "york/a").await, rows(0..3));
    let renamed = other.clone_frames("origin").frame("c").target("own/d");
    assert_eq!(
        outcome(&renamed.send().await.unwrap()),
        SyncOutcome::Created
    );
    assert_eq!(get(&other, "own/d").await, rows(0..3));

    let started = other.pull("origin").all_buckets().start().await.unwrap();
    let mut told = Vec::new();
    let done = started.finish_telling(|progress| told.push(progress)).await;
    let names: Vec<String> = done
        .unwrap()
        .frames
        .iter()
        .map(|f| f.target.to_string())
        .collect();
    assert_eq!(names, ["c", "a", "b", "a"]);
    assert!(told.iter().any(|progress| progress.objects > 0), "{told:?}");
    assert!(
        told.iter()
            .all(|progress| progress.objects_done <= progress.objects)
    );
    assert_eq!(get(&other, "rome/a").await, rows(0..3));
    let last = other.fetch("origin").all_buckets().start().await.unwrap();
    let answers: Vec<_> = futures::TryStreamExt::try_collect(last).await.unwrap();
    assert!(matches!(answers.last(), Some(SyncAnswer::Done(_))));
    stop(servers).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_merge_says_which_frames_as_the_other_verbs_do() {
    let servers = pair().await;
    let [one, other] = clients(&servers).await;
    let frames = ["a", "nyc/a", "nyc/b", "nyc/c", "rome/d"];
    for frame in frames {
        put(&one, frame, PutMode::Append, rows(0..2)).await;
    }
    let cloning = other.clone_frames("origin").frame("a").target("own/x");
    cloning.send().await.unwrap();
    let cloning = other
        .clone_frames("origin")
        .bucket("nyc")
        .target_bucket("york");
    cloning.send().await.unwrap();
    let cloning = other.clone_frames("origin").frame("rome/d");
    cloning.send().await.unwrap();
    for frame in frames {
        put(&one, frame, PutMode::Append, rows(2..3)).await;
    }
    for frame in ["own/x", "york/a", "york/b", "york/c", "rome/d"] {
        put(&other, frame, PutMode::Append, rows(3..4)).await;
    }
    let fetching = other.fetch("origin").frame("a").target("own/x");
    fetching.send().await.unwrap();
    let fetching = other.fetch("origin").bucket("nyc").target_bucket("york");
    fetching.send().await.unwrap();
    other.fetch("origin").frame("rome/d").send().await.unwrap();

    let elsewhere = other.merge("origin").frame("nyc/a").target("own/x");
    let words = ["target", "own/x follows a of remote origin, not nyc/a"];
    assert_refused(
        elsewhere.send().await,
        ErrorKind::InvalidRequestError,
        &words,
    );
    let merging = other.merge("origin").frame("a").target("own/x");
    assert_eq!(outcome(&merging.send().await.unwrap()), SyncOutcome::Merged);
    let merging = other.merge("origin").bucket("nyc").target_bucket("york");
    let merged = merging.matching("^b$").send().await.unwrap();
    assert_eq!(outcome(&merged), SyncOutcome::Merged);
    assert_eq!(merged.frames[0].target.as_str(), "b");
    let merging = other.merge("origin").bucket("york").matching("a");
    assert_eq!(outcome(&merging.send().await.unwrap()), SyncOutcome::Merged);
    let merged = other.merge("origin").all_buckets().send().await.unwrap();
    let names: Vec<&str> = merged.frames.iter().map(|f| f.target.as_str()).collect();
    assert_eq!(names, ["d", "c"]);
    for frame in ["own/x", "york/a", "york/b", "york/c", "rome/d"] {
        assert_eq!(get(&other, frame).await, rows(0..4), "{frame}");
    }
    stop(servers).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frame_or_bucket_that_is_not_there_is_told_with_what_is_known_of_it() {
    let servers = pair().await;
    let [one, other] = clients(&servers).await;
    put(&one, "nyc/a", PutMode::Append, rows(0..2)).await;
    let cloning = other.clone_frames("origin").frame("nyc/a").target("mine");
    cloning.send().await.unwrap();
    let words = ["mine", "came from nyc/a of remote origin", "`target`"];
    let pulled = other.pull("origin").frame("mine").send().await;
    assert_refused(pulled, ErrorKind::FileNotFoundError, &words);
    let fetched = other.fetch("origin").frame("mine").send().await;
    assert_refused(fetched, ErrorKind::FileNotFoundError, &words);
    let pulled = other
        .pull("origin")
        .frame("nyc/a")
        .target("mine")
        .send()
        .await;
    assert_eq!(outcome(&pulled.unwrap()), SyncOutcome::Unchanged);

    let words = ["no such bucket", "tokyo"];
    let cloned = other.clone_frames("origin").bucket("tokyo").send().await;
    assert_refused(cloned, ErrorKind::FileNotFoundError, &words);
    let pushed = other.push("origin").bucket("tokyo").send().await;
    assert_refused(pushed, ErrorKind::FileNotFoundError, &words);
    let none = other.clone_frames("origin").bucket("nyc").matching("^z");
    assert!(none.send().await.unwrap().frames.is_empty());
    stop(servers).await;
}
