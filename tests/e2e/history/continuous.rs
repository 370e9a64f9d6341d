//! Frames that follow others: after whatever happens to the source, they are what would be made of it anew.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, Int64Array, RecordBatch, TimestampNanosecondArray};
use shoots_client::proto::action::{Aggregations, FollowingFrame, ResampleRequest};
use shoots_client::serde_json::{Map, Value};
use shoots_client::{ActionCall, AsOf, ErrorKind, FrameName, PutMode, Resampling, ShootsClient};

use super::{BEGIN, HOUR, hours, weather};
use crate::refusal::assert_refused;
use crate::rows::get;
use crate::server::{Server, fresh_folder, until};

/// Every way to resample that the tests follow, by target.
fn targets() -> Vec<(&'static str, Resampling)> {
    let temperature = |rule: &str, function: &str| {
        let mut resampling = Resampling::new(rule, function);
        resampling.columns = Some(vec!["temp".to_owned()]);
        resampling
    };
    let mut filled = temperature("7h", "mean");
    filled.fill = Some("forward".into());
    let mut stations = temperature("2h", "sum");
    stations.by = vec!["origin".to_owned()];
    stations.fill = Some("drop".into());
    let mut days = temperature("D", "max");
    days.time_zone = Some("Europe/Berlin".to_owned());
    days.aggregation_func = Aggregations::Several(vec!["min".to_owned(), "count".to_owned()]);
    vec![
        ("plain", temperature("3h", "mean")),
        ("filled", filled),
        ("stations", stations),
        ("days", days),
    ]
}

fn resampled(
    client: &ShootsClient,
    target: &str,
    resampling: Resampling,
) -> ActionCall<ResampleRequest> {
    let (rule, functions) = (resampling.rule, resampling.aggregation_func);
    let weather = client.frame("weather");
    let mut call = weather.resample(target, rule, functions).by(resampling.by);
    if let Some(columns) = resampling.columns {
        call = call.columns(columns);
    }
    if let Some(fill) = resampling.fill {
        call = call.fill(fill);
    }
    if let Some(zone) = resampling.time_zone {
        call = call.time_zone(zone);
    }
    call
}

async fn declare(client: &ShootsClient) {
    for (target, resampling) in targets() {
        resampled(client, target, resampling)
            .continuous()
            .send()
            .await
            .unwrap();
    }
}

/// Waits until every target is what is made of the source anew.
async fn follows(client: &ShootsClient, after: &str) {
    for (target, resampling) in targets() {
        let anew = resampled(client, "anew", resampling);
        anew.mode(PutMode::Replace).send().await.unwrap();
        let anew = get(client, "anew").await;
        until(&format!("{target} follows after {after}"), async || {
            get(client, target).await == anew
        })
        .await;
    }
}

async fn following(client: &ShootsClient) -> Vec<FollowingFrame> {
    client.following(None).send().await.unwrap().frames
}

/// The kinds of the commits of a target, the newest last, and which version of the source each applied.
async fn history(client: &ShootsClient, target: &str) -> (Vec<String>, Vec<u64>) {
    let mut commits = client.frame(target).log().send().await.unwrap().commits;
    commits.reverse();
    let version =
        |metadata: &Map<String, Value>| metadata.get("shoots.continuous")?.get("version")?.as_u64();
    let versions = commits.iter();
    let versions = versions.filter_map(|commit| version(commit.metadata.as_ref()?));
    let versions = versions.collect();
    (commits.into_iter().map(|c| c.operation).collect(), versions)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn targets_follow_every_kind_of_change_and_through_a_restart() {
    let server = Server::on(&fresh_folder(), &["--compaction=false"]).await;
    let folder = Arc::clone(server.folder());
    let client = server.client().await;
    let source = client.frame("weather");
    let index = ["time_hour", "origin"];
    source
        .put()
        .index(index)
        .send_batch(hours(0..48))
        .await
        .unwrap();
    declare(&client).await;
    follows(&client, "the declaration").await;

    let append = |rows| source.put().mode(PutMode::Append).send_batch(rows);
    append(hours(60..70)).await.unwrap();
    follows(&client, "an append").await;
    append(weather(&[(5, "LGA", Some(40.0))])).await.unwrap();
    follows(&client, "late data").await;
    let (operations, _) = history(&client, "plain").await;
    assert_eq!(operations, ["create", "update", "update"]);

    let upsert = source.put().mode(PutMode::Upsert);
    let rows = weather(&[(6, "EWR", Some(-7.0)), (64, "JFK", None)]);
    upsert.send_batch(rows).await.unwrap();
    follows(&client, "an upsert").await;
    let update = source.put().mode(PutMode::Update);
    update.send_batch(hours(20..22)).await.unwrap();
    follows(&client, "an update").await;
    let at = |hour: i64| format!("2013-01-{:02}T{:02}:00:00Z", 1 + hour / 24, hour % 24);
    source
        .delete_rows()
        .start(at(30))
        .stop(at(41))
        .send()
        .await
        .unwrap();
    follows(&client, "a deletion").await;
    source.delete_rows().start(at(62)).send().await.unwrap();
    follows(&client, "a deletion at the end").await;
    source.restore(AsOf::Version(2)).send().await.unwrap();
    follows(&client, "a restored version").await;
    append(hours(-20..-10)).await.unwrap();
    follows(&client, "rows before all others").await;
    source
        .put()
        .mode(PutMode::Replace)
        .index(index)
        .send_batch(hours(3..9))
        .await
        .unwrap();
    follows(&client, "another frame in its place").await;

    server.stop().await;
    let server = Server::on(&folder, &["--compaction=false"]).await;
    let client = server.client().await;
    client
        .frame("weather")
        .put()
        .mode(PutMode::Append)
        .send_batch(hours(9..12))
        .await
        .unwrap();
    follows(&client, "a restart").await;
    for (target, _) in targets() {
        let (_, versions) = history(&client, target).await;
        let distinct: BTreeSet<u64> = versions.iter().copied().collect();
        assert_eq!(
            versions,
            distinct.into_iter().collect::<Vec<_>>(),
            "{target}"
        );
    }
    server.stop().await;
}

/// The columns `t`, `x` (the hour) and `n`, one row for each hour.
fn hourly(hours: &[i64], n: i64) -> RecordBatch {
    let times = hours.iter().map(|hour| BEGIN + hour * HOUR);
    let columns: [(&str, ArrayRef); 3] = [
        (
            "t",
            Arc::new(TimestampNanosecondArray::from_iter_values(times)),
        ),
        (
            "x",
            Arc::new(Float64Array::from_iter_values(
                hours.iter().map(|hour| *hour as f64),
            )),
        ),
        (
            "n",
            Arc::new(Int64Array::from_iter_values(hours.iter().map(|_| n))),
        ),
    ];
    RecordBatch::try_from_iter(columns).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn functions_by_column_keep_their_order_whatever_part_is_computed() {
    let server = Server::on(&fresh_folder(), &["--compaction=false"]).await;
    let client = server.client().await;
    let source = client.frame("hourly");
    let first = source.put().index(["t"]);
    first.send_batch(hourly(&[0, 30, 60, 90], 5)).await.unwrap();
    let several = |functions: &[&str]| {
        Aggregations::Several(functions.iter().map(|&name| name.to_owned()).collect())
    };
    let plain = |name: &str| Aggregations::from(name);
    let targets = [
        ("one", vec![("x", plain("max")), ("n", plain("sum"))]),
        ("same", vec![("x", plain("count")), ("n", plain("count"))]),
        (
            "many",
            vec![("x", several(&["first", "max"])), ("n", plain("sum"))],
        ),
    ];
    let call = |target: &str, functions: &[(&str, Aggregations)]| {
        let functions = functions.iter();
        let functions = functions.map(|(column, of)| ((*column).to_owned(), of.clone()));
        let functions = Aggregations::ByColumn(functions.collect());
        source
            .resample(target, "7h", functions)
            .mode(PutMode::Replace)
    };
    for (target, functions) in &targets {
        call(target, functions).continuous().send().await.unwrap();
    }
    let follow = async |after: &str| {
        for (target, functions) in &targets {
            call("anew", functions).send().await.unwrap();
            let anew = get(&client, "anew").await;
            until(&format!("{target} follows after {after}"), async || {
                get(&client, target).await == anew
            })
            .await;
        }
    };
    for hour in [31, 61] {
        let put = source.put().mode(PutMode::Append);
        put.send_batch(hourly(&[hour], 1000)).await.unwrap();
    }
    follow("two rows").await;
    let deletion = source.delete_rows().condition("n = 1000");
    deletion.send().await.unwrap();
    follow("a deletion at two places").await;
    let (operations, _) = history(&client, "same").await;
    assert_eq!(operations.last().map(String::as_str), Some("update"));
    let put = source.put().mode(PutMode::Replace).index(["t"]);
    put.send_batch(hourly(&[3, 50], 7)).await.unwrap();
    follow("a replaced source").await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_servers_on_one_folder_apply_each_version_once() {
    let folder = fresh_folder();
    let one = Server::on(&folder, &["--compaction=false"]).await;
    let client = one.client().await;
    let put = client.frame("weather").put().index(["time_hour", "origin"]);
    put.send_batch(hours(0..48)).await.unwrap();
    declare(&client).await;
    let other = Server::on(&folder, &["--compaction=false"]).await;
    let clients = [client, other.client().await];
    for turn in 0..10 {
        let put = clients[turn % 2]
            .frame("weather")
            .put()
            .mode(PutMode::Append);
        let hour = i64::try_from(turn).unwrap() * 7;
        put.send_batch(weather(&[(hour, "LGA", Some(1.0))]))
            .await
            .unwrap();
    }
    follows(&clients[0], "puts through both").await;
    until("all versions are applied", async || {
        let all = following(&clients[1]).await;
        all.iter()
            .all(|frame| Some(frame.source_version) == frame.newest_version)
    })
    .await;
    for (target, _) in targets() {
        let (_, versions) = history(&clients[0], target).await;
        let distinct: BTreeSet<u64> = versions.iter().copied().collect();
        assert_eq!(
            versions,
            distinct.into_iter().collect::<Vec<_>>(),
            "{target}"
        );
        assert_eq!(versions.last(), Some(&11), "{target}");
    }
    one.stop().await;
    other.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_follows_until_it_is_stopped_or_written_by_others_and_pauses_without_its_source() {
    let server = Server::start().await;
    let client = server.client().await;
    let source = client.frame("weather");
    source
        .put()
        .index(["time_hour", "origin"])
        .send_batch(hours(0..9))
        .await
        .unwrap();
    declare(&client).await;
    let names = |frames: &[FollowingFrame]| -> Vec<String> {
        frames.iter().map(|frame| frame.name.to_string()).collect()
    };
    let all = following(&client).await;
    assert_eq!(names(&all), ["days", "filled", "plain", "stations"]);
    assert_eq!(all[0].source, FrameName::parse("weather").unwrap());

    client.stop_following("days").send().await.unwrap();
    let rows = get(&client, "plain").await;
    client
        .frame("plain")
        .put()
        .mode(PutMode::Append)
        .send_batch(rows)
        .await
        .unwrap();
    client.delete("filled").await.unwrap();
    assert_eq!(names(&following(&client).await), ["stations"]);
    let twice = client.stop_following("days").send().await;
    assert_refused(twice, ErrorKind::InvalidRequestError, &["follows no other"]);

    client.delete("weather").await.unwrap();
    let paused = following(&client).await;
    assert!(
        paused[0].problem.as_ref().unwrap().contains("weather"),
        "{paused:?}"
    );
    source.undelete().send().await.unwrap();
    source
        .put()
        .mode(PutMode::Append)
        .send_batch(hours(20..22))
        .await
        .unwrap();
    until("it follows again", async || {
        let frames = following(&client).await;
        frames[0].problem.is_none() && Some(frames[0].source_version) == frames[0].newest_version
    })
    .await;

    let own = client.frame("weather").resample("weather", "1h", "count");
    let own = own.mode(PutMode::Replace).continuous().send().await;
    assert_refused(own, ErrorKind::InvalidRequestError, &["follow itself"]);
    server.stop().await;
}

#[tokio::test]
async fn nobody_but_the_server_says_what_a_frame_follows() {
    let server = Server::start().await;
    let client = server.client().await;
    let source = client.frame("weather");
    let put = source.put().index(["time_hour", "origin"]);
    put.send_batch(hours(0..9)).await.unwrap();
    let (_, resampling) = targets().remove(0);
    let call = resampled(&client, "plain", resampling).continuous();
    call.send().await.unwrap();
    let commits = client.frame("plain").log().send().await.unwrap().commits;
    let said = commits[0].metadata.as_ref().unwrap()["shoots.continuous"].clone();

    let key = "shoots.continuous";
    let words = ["metadata", key];
    let forged = client.frame("forged");
    let put = forged.put().metadata("run", 7).metadata(key, said.clone());
    let refused = put.send_batch(hours(0..1)).await;
    assert_refused(refused, ErrorKind::InvalidRequestError, &words);
    let target = client.frame("plain");
    let put = target
        .put()
        .mode(PutMode::Append)
        .metadata(key, said.clone());
    let refused = put.send_batch(get(&client, "plain").await).await;
    assert_refused(refused, ErrorKind::InvalidRequestError, &words);
    for refused in [
        target
            .restore(AsOf::Version(1))
            .metadata(key, said.clone())
            .send()
            .await
            .map(drop),
        target
            .tag("t")
            .metadata("shoots.other", 1)
            .send()
            .await
            .map(drop),
        source
            .resample("forged", "1h", "count")
            .metadata(key, said.clone())
            .send()
            .await
            .map(drop),
        source
            .copy("forged")
            .metadata(key, said)
            .send()
            .await
            .map(drop),
    ] {
        assert_refused(
            refused,
            ErrorKind::InvalidRequestError,
            &["metadata", "shoots."],
        );
    }
    let missing = client.get("forged").collect_one().await;
    assert_refused(missing, ErrorKind::FileNotFoundError, &["forged"]);
    let frames = following(&client).await;
    assert_eq!(frames.len(), 1);
    assert_eq!(frames[0].name, FrameName::parse("plain").unwrap());
    let kept = target
        .put()
        .mode(PutMode::Append)
        .metadata("shoot.ing", "star");
    kept.send_batch(get(&client, "plain").await).await.unwrap();
    server.stop().await;
}
