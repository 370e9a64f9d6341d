//! Compares what is there with what writers were told.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use shoots_client::proto::action::CommitRecord;
use shoots_client::proto::action::VerifyRequest;
use shoots_client::{AsOf, ShootsClient};
use shoots_store::{Environment, Store, SystemEnvironment, Timestamp};
use tempfile::TempDir;

use super::TARGETS;
use super::change::{Change, Deed, Rows, Target, Told, rows};
use super::random::Random;

/// Changes of a folder, and what their writers were told.
pub(super) type Ledger = Vec<(Change, Told)>;

/// More commits than a frame gets.
const ALL: u64 = 1_000_000;
/// How many older versions of each frame are read.
const LOOKS: usize = 4;

/// Every frame is what its history says, and the history says what the ledger says.
pub(super) async fn check(client: &ShootsClient, ledger: &Ledger, random: &mut Random) {
    for target in TARGETS {
        let of_it = ledger.iter().filter(|(change, _)| change.target == target);
        let changes: HashMap<i64, &(Change, Told)> =
            of_it.map(|known| (known.0.number, known)).collect();
        let records = if client.exists(target.name).await.unwrap() {
            let log = client
                .frame(target.name)
                .log()
                .limit(ALL)
                .send()
                .await
                .unwrap();
            assert!(!log.more);
            log.commits.into_iter().rev().collect()
        } else {
            Vec::new()
        };
        let versions = replay(target, &records, &changes);
        nothing_is_lost(target, &records, &changes);
        let Some(newest) = records.len().checked_sub(1) else {
            continue;
        };
        let older = (0..LOOKS).map(|_| random.below(records.len() as u64));
        for at in older.map(|at| usize::try_from(at).unwrap()).chain([newest]) {
            if records[at].expired {
                continue;
            }
            let version = AsOf::Version(i64::try_from(at + 1).unwrap());
            match client.get(target.name).as_of(version).collect_one().await {
                Ok(read) => assert_same(target, at + 1, &rows(&read), &versions[at + 1]),
                // It expired after the history was told.
                Err(gone) => assert!(
                    at < newest && gone.to_string().contains("expired"),
                    "{gone}"
                ),
            }
        }
        let read = client.get(target.name).collect_one().await.unwrap();
        assert_same(target, newest + 1, &rows(&read), &versions[newest + 1]);
    }
    let checked = client.verify().all_buckets().send().await.unwrap();
    assert!(checked.ok, "{checked:?}");
}

#[track_caller]
fn assert_same(target: Target, version: usize, found: &Rows, expected: &Rows) {
    let first = found
        .iter()
        .zip(expected.iter())
        .position(|(found, expected)| found != expected);
    assert!(
        found == expected,
        "{target:?} at {version}: {} rows instead of {}, the first that differs is {first:?}",
        found.len(),
        expected.len()
    );
}

/// The rows of each version, as the history tells them. There are no gaps, no commit that nobody has sent, and none
/// twice.
fn replay(
    target: Target,
    records: &[CommitRecord],
    changes: &HashMap<i64, &(Change, Told)>,
) -> Vec<Rows> {
    let mut versions = vec![Rows::default()];
    let mut seen = BTreeMap::new();
    for (version, record) in (1..).zip(records) {
        assert_eq!(record.version, version, "{target:?} has a gap");
        let upkeep = ["compact", "expire", "forget"].contains(&record.operation.as_str());
        let rows = match &record.message {
            Some(message) if !upkeep => {
                let number = message.parse().unwrap();
                let Some((change, _)) = changes.get(&number) else {
                    panic!("{target:?}: nobody has sent {record:?}");
                };
                let twice = seen.insert(number, version);
                assert_eq!(twice, None, "{change:?} is there twice");
                change.applied(&versions)
            }
            _ => Arc::clone(versions.last().unwrap()),
        };
        assert_eq!(record.rows, rows.len() as u64, "{target:?}: {record:?}");
        versions.push(rows);
    }
    versions
}

/// What was acknowledged is the version that it was told to be, and what was refused is none.
fn nothing_is_lost(
    target: Target,
    records: &[CommitRecord],
    changes: &HashMap<i64, &(Change, Told)>,
) {
    let made = |number: i64| {
        let message = number.to_string();
        let is_it = |record: &&CommitRecord| record.message.as_ref() == Some(&message);
        records.iter().find(is_it)
    };
    for (change, told) in changes.values() {
        match told {
            Told::Version(version, commit) => {
                let found = usize::try_from(version - 1)
                    .ok()
                    .and_then(|at| records.get(at));
                let found = found.unwrap_or_else(|| panic!("{target:?}: {change:?} is lost"));
                assert_eq!(
                    found.commit, *commit,
                    "{target:?}: {change:?} is another commit"
                );
                // Restoring what is the newest already is no commit of its own.
                let message = change.number.to_string();
                let own = found.message.as_ref() == Some(&message);
                assert!(
                    own || matches!(change.deed, Deed::Restore(_)),
                    "{change:?}: {found:?}"
                );
            }
            Told::Done => {
                let needed = matches!(change.deed, Deed::Tag);
                assert!(
                    made(change.number).is_some() || !needed,
                    "{change:?} is lost"
                );
            }
            Told::Refused => {
                assert!(
                    made(change.number).is_none(),
                    "{change:?} was refused and took effect"
                );
            }
            Told::Nothing => {}
        }
    }
}

/// The machine's clock, a little more than a day ahead: what failed writers have left is old then.
#[derive(Debug)]
struct Tomorrow;

impl Environment for Tomorrow {
    fn now(&self) -> Timestamp {
        const HOUR: i64 = 3_600_000_000_000;
        Timestamp::from_nanoseconds(SystemEnvironment::default().now().nanoseconds() + 25 * HOUR)
    }

    fn unique(&self) -> u128 {
        SystemEnvironment::default().unique()
    }
}

/// After upkeep, nothing is left that no version needs. Schemas are, since they are named after their content.
pub(super) async fn nothing_is_left(folder: &TempDir) {
    let builder = Store::builder(folder.path().to_str().unwrap()).sweep_grace_seconds(0);
    let store = builder
        .environment(Arc::new(Tomorrow))
        .open()
        .await
        .unwrap();
    store.sweep_temporaries().await.unwrap();
    let mut frames = store.logged_frames(None).await.unwrap();
    for bucket in store.buckets().await.unwrap() {
        frames.extend(store.logged_frames(Some(&bucket)).await.unwrap());
    }
    for frame in &frames {
        frame.expire(false).await.unwrap();
        frame.sweep(false).await.unwrap();
    }
    let everything = VerifyRequest {
        all_buckets: true,
        ..VerifyRequest::default()
    };
    let checked = store.verify(&everything).await.unwrap();
    assert!(checked.ok, "{checked:?}");
    let left = checked.unreferenced.iter();
    let left: Vec<_> = left
        .filter(|left| !left.object.contains("/schemas/"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
    let temporaries = std::fs::read_dir(folder.path().join("_tmp")).unwrap();
    assert_eq!(temporaries.count(), 0);
}
