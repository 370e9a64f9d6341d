//! The bytes of the log, frozen, and its invariants, broken one by one.

use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema};
use object_store::path::Path;
use shoots_proto::{Note, PutMode};

use super::change::Change;
use super::commit::{Base, Mark, Operation, Own, SegmentRecord, Totals};
use super::derive::{Derive, Step};
use super::entry::{self, Entry, encode_commit};
use super::invariants;
use super::plan::{
    Answers, Basis, MAX_CHANGES, NamedSchema, Proposal, PutWish, Rows, Wish, Worked, plan,
};
use super::remembered::{REMEMBERED_REQUESTS, RequestKey};
use crate::error::ErrorKind;
use crate::frame_log::FrameLog;
use crate::time::Timestamp;

const FIRST: &[u8] = include_bytes!("golden/00000000000000000001.jsonl");
const SECOND: &[u8] = include_bytes!("golden/00000000000000000002.jsonl");
/// The same entries as written since the feature `history`.
const HISTORY: [&[u8]; 2] = [
    include_bytes!("golden/history/00000000000000000001.jsonl"),
    include_bytes!("golden/history/00000000000000000002.jsonl"),
];
/// The same entries as written since the feature `remembered`.
const REMEMBERED: [&[u8]; 2] = [
    include_bytes!("golden/remembered/00000000000000000001.jsonl"),
    include_bytes!("golden/remembered/00000000000000000002.jsonl"),
];

/// A change of settings after the first of them, as written since the feature `lineage`.
const LINEAGE: &[u8] = include_bytes!("golden/lineage/00000000000000000002.jsonl");

fn schema(hash: &str) -> NamedSchema {
    let fields = vec![Field::new("n", DataType::Int64, false)];
    NamedSchema {
        hash: hash.into(),
        schema: Arc::new(Schema::new(fields)),
    }
}

fn put(mode: PutMode, number: u64) -> Proposal {
    let segment = SegmentRecord {
        id: format!("{number:032x}"),
        rows: 10 * number,
        bytes: 1000 * number,
        hash: format!("{number:064x}"),
        range: None,
        footer: None,
    };
    Proposal {
        wish: Wish::Put(Box::new(PutWish {
            mode,
            index: Vec::new(),
            rows: Rows {
                schema: schema("5c"),
                segments: vec![segment],
            },
            adopt: None,
        })),
        write_id: format!("{:032x}", number + 0xabc),
        request: Some(RequestKey::new(
            &format!("request {number}"),
            &serde_json::json!(number),
        )),
        basis: None,
        absent: None,
        expected: None,
        note: Note {
            author: Some("ada".into()),
            message: Some(format!("put {number}")),
            metadata: serde_json::json!({ "run": number }).as_object().cloned(),
        },
    }
}

fn basis<'a>(before: Option<&'a Entry>, named: &'a NamedSchema) -> Basis<'a> {
    Basis {
        frame: "f",
        before,
        schema: Some(named),
        tip: before.and_then(Entry::tip),
    }
}

/// The entry after `before`, through its bytes.
fn next(before: Option<&Entry>, proposals: &[Proposal], seconds: i64) -> (Entry, Vec<u8>) {
    let now = Timestamp::from_nanoseconds(1_790_000_000_000_000_000 + seconds * 1_000_000_000);
    let named = schema("5c");
    let plan = plan(basis(before, &named), proposals, Answers::new(), None, now);
    assert!(plan.outcomes.iter().all(Result::is_ok));
    let mut next = plan.next.unwrap();
    if next.checkpoint.is_some() {
        next.state.checkpoint = Some(format!("{:064x}", next.header.sequence));
    }
    let bytes = entry::encode(&next.header, &next.lines, &next.state).unwrap();
    (decode(next.header.sequence, &bytes).unwrap(), bytes)
}

fn decode(sequence: u64, bytes: &[u8]) -> crate::Result<Entry> {
    entry::decode(&Path::from("f/log/x.jsonl"), sequence, bytes)
}

fn two_entries() -> (Entry, Entry) {
    let (first, _) = next(None, &[put(PutMode::Append, 1)], 0);
    let (second, _) = next(
        Some(&first),
        &[put(PutMode::Append, 2), put(PutMode::Append, 3)],
        1,
    );
    (first, second)
}

#[test]
fn entries_are_written_as_they_always_were() {
    let (first, first_bytes) = next(None, &[put(PutMode::Append, 1)], 0);
    let (_, second_bytes) = next(
        Some(&first),
        &[put(PutMode::Append, 2), put(PutMode::Replace, 3)],
        1,
    );
    for (written, golden) in [first_bytes, second_bytes].iter().zip(REMEMBERED) {
        assert_eq!(
            String::from_utf8_lossy(written),
            String::from_utf8_lossy(golden)
        );
    }
}

#[test]
fn old_entries_stay_readable() {
    for bytes in [SECOND, HISTORY[1], REMEMBERED[1]] {
        let second = decode(2, bytes).unwrap();
        assert_eq!((second.header.first_version, second.last_version()), (2, 3));
        assert_eq!((second.state.rows, second.state.segments), (30, 1));
        assert_eq!(second.commits[1].1.operation, Operation::Replace);
        assert_eq!(second.commits[1].1.parents, [second.commits[0].0.clone()]);
        let remembered = &second.state.remembered;
        let versions = [1, 2, 3].map(|n| remembered.version_of(&format!("request {n}")));
        assert_eq!(versions, [Some(1), Some(2), Some(3)]);
    }
}

#[test]
fn an_entry_after_one_of_an_older_program_remembers_what_that_one_did() {
    for old in [FIRST, HISTORY[0]] {
        let (next, bytes) = next(
            Some(&decode(1, old).unwrap()),
            &[put(PutMode::Append, 2)],
            1,
        );
        let remembered = &next.state.remembered;
        assert_eq!(remembered.version_of("request 1"), Some(1));
        assert_eq!(remembered.version_of("request 2"), Some(2));
        assert!(!String::from_utf8(bytes).unwrap().contains("requests"));
    }
}

#[test]
fn only_entries_that_remember_requests_need_a_program_that_knows_how() {
    let anonymous = Proposal {
        request: None,
        ..put(PutMode::Append, 1)
    };
    let said = |bytes: Vec<u8>| {
        let text = String::from_utf8(bytes).unwrap();
        text.lines().next().unwrap().contains("remembered")
    };
    assert!(!said(next(None, &[anonymous], 0).1));
    assert!(said(next(None, &[put(PutMode::Append, 1)], 0).1));
}

#[test]
fn rows_that_a_commit_took_away_are_counted_whatever_took_them() {
    let (first, _) = next(None, &[put(PutMode::Append, 1)], 0);
    let delete = |number| Proposal {
        wish: Wish::Delete { adopt: None },
        ..put(PutMode::Append, number)
    };
    let changes = [
        put(PutMode::Append, 2),
        put(PutMode::Replace, 3),
        delete(4),
        put(PutMode::Replace, 5),
    ];
    let (second, _) = next(Some(&first), &changes, 1);
    assert_eq!(invariants::broken(Some(&first), &second), None);
    let removed = second.commits.iter().map(|(_, commit)| commit.rows_removed);
    assert_eq!(removed.collect::<Vec<_>>(), [0, 30, 30, 0]);
}

#[test]
fn an_entry_of_a_newer_program_is_refused_by_name() {
    let text = String::from_utf8(FIRST.to_vec()).unwrap();
    for (known, newer, said) in [
        (r#""format":1"#, r#""format":2"#, "format 2"),
        (
            r#""format":1"#,
            r#""format":1,"reader_features":["zigzag"]"#,
            "the feature `zigzag`",
        ),
    ] {
        let error = decode(1, text.replacen(known, newer, 1).as_bytes()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Newer);
        assert!(error.to_string().contains(said), "{error}");
    }
}

#[test]
fn a_writer_feature_forbids_writing_but_not_reading() {
    let text = String::from_utf8(FIRST.to_vec()).unwrap();
    let (header, rest) = text.split_once('\n').unwrap();
    let header = header.replacen(
        r#""format":1"#,
        r#""format":1,"writer_features":["zigzag"]"#,
        1,
    );
    let (commit, state) = rest.split_once('\n').unwrap();
    let before = format!("{header}\n{commit}\n");
    let state = &state[state.find(r#""state":"#).unwrap() + 8..state.len() - 2];
    let mut hasher = blake3::Hasher::new();
    hasher.update(before.as_bytes()).update(state.as_bytes());
    let digest = hasher.finalize().to_hex();
    let bytes = format!("{before}{{\"digest\":\"{digest}\",\"state\":{state}}}\n");
    let entry = decode(1, bytes.as_bytes()).unwrap();
    let error = entry.check_writable(&Path::from("f/log/x")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Newer);
}

#[test]
fn every_flipped_or_missing_byte_is_found() {
    for at in 0..SECOND.len() {
        let mut bytes = SECOND.to_vec();
        bytes[at] ^= 1;
        assert!(decode(2, &bytes).is_err(), "byte {at} flipped");
        assert!(decode(2, &SECOND[..at]).is_err(), "cut at {at}");
    }
    assert_eq!(decode(3, SECOND).unwrap_err().kind(), ErrorKind::Damaged);
}

#[test]
fn a_stored_id_cannot_lead_out_of_the_frame() {
    let mut proposal = put(PutMode::Append, 1);
    let Wish::Put(wish) = &mut proposal.wish else {
        unreachable!()
    };
    wish.rows.segments[0].id = "../../x".into();
    let now = Timestamp::from_nanoseconds(0);
    let named = schema("5c");
    let next = plan(basis(None, &named), &[proposal], Answers::new(), None, now);
    let next = next.next.unwrap();
    let bytes = entry::encode(&next.header, &next.lines, &next.state).unwrap();
    assert_eq!(decode(1, &bytes).unwrap_err().kind(), ErrorKind::Damaged);
}

#[test]
fn proper_entries_break_no_rule() {
    let mut last: Option<Entry> = None;
    for number in 1..200 {
        let mode = if number % 70 == 0 {
            PutMode::Replace
        } else {
            PutMode::Append
        };
        let (entry, _) = next(last.as_ref(), &[put(mode, number)], 0);
        assert_eq!(
            invariants::broken(last.as_ref(), &entry),
            None,
            "entry {number}"
        );
        assert!(entry.state.tail.len() < MAX_CHANGES);
        last = Some(entry);
    }
}

/// Breaks a proper entry and expects the rule of that name to notice first.
fn breaks(rule: &str, spoil: impl FnOnce(&mut Entry)) {
    let (first, mut second) = two_entries();
    assert_eq!(invariants::broken(Some(&first), &second), None);
    spoil(&mut second);
    assert_eq!(invariants::broken(Some(&first), &second), Some(rule));
}

#[test]
fn sequences_have_no_gap() {
    breaks("sequence numbers have no gap", |entry| {
        entry.header.sequence = 3
    });
}

#[test]
fn versions_have_no_gap() {
    breaks("versions have no gap and none is used twice", |entry| {
        entry.header.first_version = 1
    });
}

#[test]
fn entries_publish_something() {
    breaks("an entry publishes something", |entry| {
        entry.commits.clear()
    });
}

#[test]
fn publish_times_rise() {
    let time = two_entries().0.header.published;
    breaks("publish times rise", |entry| entry.header.published = time);
}

#[test]
fn commits_follow_each_other() {
    breaks("each commit follows the tip of the history", |entry| {
        entry.commits[1].1.parents.clear()
    });
}

#[test]
fn commit_times_rise() {
    breaks("commit times rise from parent to child", |entry| {
        entry.commits[1].1.time = entry.commits[0].1.time;
    });
}

#[test]
fn counts_add_up() {
    for spoil in [
        |entry: &mut Entry| entry.state.own[0].totals.rows += 1,
        |entry: &mut Entry| entry.state.rows += 1,
        |entry: &mut Entry| entry.state.bytes -= 1,
        |entry: &mut Entry| entry.state.segments += 1,
    ] {
        breaks("counts of rows, bytes and segments add up", spoil);
    }
}

#[test]
fn deleted_exactly_after_a_delete() {
    breaks("a frame is deleted exactly after a delete", |entry| {
        entry.state.deleted = true
    });
}

#[test]
fn the_state_has_the_last_index() {
    breaks("the state has the index of the last commit", |entry| {
        entry.state.index = vec!["n".into()];
    });
}

#[test]
fn compaction_makes_no_more_segments() {
    breaks("compaction makes no more segments than it takes", |entry| {
        let (_, commit) = &mut entry.commits[0];
        commit.operation = Operation::Compact;
        let tip = commit.parents.clone();
        entry.commits[1].1.parents = tip;
        let kept = Totals {
            rows: 10,
            bytes: 3000,
            segments: 2,
            hidden: 0,
        };
        entry.state.own[0] = Own::plain(kept, false);
        entry.state.rows = 40;
        entry.state.own[1].totals.rows = 40;
    });
}

#[test]
fn only_what_can_be_read_is_marked() {
    let rule = "only versions that can be read are marked, and none comes back";
    breaks(rule, |entry| {
        let mark = Mark {
            version: 9,
            sequence: 9,
        };
        entry.state.tags.insert("future".into(), mark);
    });
    breaks(rule, |entry| entry.state.retained.oldest = 9);
}

#[test]
fn the_state_has_the_last_schema() {
    breaks("the state has the schema of the last commit", |entry| {
        entry.state.schema = "ee".into()
    });
}

#[test]
fn segments_are_listed_once() {
    breaks("no segment is listed twice", |entry| {
        entry.commits[1].1.added[0].id = entry.commits[0].1.added[0].id.clone();
    });
}

#[test]
fn no_change_is_left_out() {
    let rule = "no change is left out of the list of segments";
    breaks(rule, |entry| entry.state.tail.clear());
    breaks(rule, |entry| entry.state.checkpoint = Some("cc".into()));
}

#[test]
fn changes_are_bounded() {
    let mut last: Option<Entry> = None;
    for number in 1..MAX_CHANGES as u64 {
        last = Some(next(last.as_ref(), &[put(PutMode::Append, number)], 0).0);
    }
    let before = last.unwrap();
    let two = [put(PutMode::Append, 900), put(PutMode::Append, 901)];
    let (mut after, _) = next(Some(&before), &two, 1);
    assert_eq!(invariants::broken(Some(&before), &after), None);
    after.state.tail = before.list_through(before.last_version()).changes;
    after.state.checkpoint = None;
    let rule = "an entry holds a bounded number of changes";
    assert_eq!(invariants::broken(Some(&before), &after), Some(rule));
}

#[test]
fn requests_are_bounded() {
    breaks("a bounded number of requests is remembered", |entry| {
        let many = vec![("ab", 1); REMEMBERED_REQUESTS + 1];
        let many = serde_json::to_value(many).unwrap();
        entry.state.remembered = serde_json::from_value(many).unwrap();
    });
}

#[test]
fn every_rule_has_a_test_above() {
    let source = include_str!("tests.rs");
    for (rule, _) in invariants::RULES {
        assert!(
            source.contains(&format!("\"{rule}\"")),
            "no test breaks: {rule}"
        );
    }
}

/// A change of settings, as the next entry.
fn configured(before: &Entry, seconds: i64) -> (Entry, Vec<u8>) {
    upkeep(before, Operation::Configure, seconds)
}

fn upkeep(before: &Entry, operation: Operation, seconds: i64) -> (Entry, Vec<u8>) {
    let named = schema("5c");
    let proposal = Proposal {
        wish: Wish::Derived(Arc::new(Nothing)),
        request: None,
        ..put(PutMode::Append, 77)
    };
    let mut step = Step::new(operation, named.clone(), before.state.totals());
    step.index.clone_from(&before.state.index);
    if operation == Operation::Purge {
        step.base = Some(Base::default());
        step.totals = Totals::default();
    }
    let now = Timestamp::from_nanoseconds(1_790_000_000_000_000_000 + seconds * 1_000_000_000);
    let plan = plan(
        basis(Some(before), &named),
        &[proposal],
        Answers::new(),
        Some(Ok(Some(Worked::Step(Box::new(step))))),
        now,
    );
    let next = plan.next.unwrap();
    let bytes = entry::encode(&next.header, &next.lines, &next.state).unwrap();
    let entry = decode(next.header.sequence, &bytes).unwrap();
    assert_eq!(invariants::broken(Some(before), &entry), None);
    (entry, bytes)
}

/// What a step of a test is derived from.
#[derive(Debug)]
struct Nothing;

#[async_trait::async_trait]
impl Derive for Nothing {
    async fn derive(&self, _: &FrameLog, _: Option<&Entry>) -> crate::Result<Option<Step>> {
        Ok(None)
    }
}

#[test]
fn upkeep_is_a_leaf_that_the_next_change_does_not_follow() {
    let (first, _) = next(None, &[put(PutMode::Append, 1)], 0);
    let (second, bytes) = configured(&first, 1);
    let (third, _) = configured(&second, 2);
    let (fourth, after) = next(Some(&third), &[put(PutMode::Append, 2)], 3);
    let id = first.commits[0].0.clone();
    for entry in [&second, &third, &fourth] {
        assert_eq!(entry.commits[0].1.parents, std::slice::from_ref(&id));
    }
    let tip = third.tip().unwrap();
    assert_eq!((&tip.commit, tip.version, tip.sequence), (&id, 1, 1));
    assert_eq!(fourth.tip().unwrap().commit, fourth.commits[0].0);
    assert!(fourth.commits[0].1.time > third.commits[0].1.time);
    assert_eq!(invariants::broken(Some(&third), &fourth), None);
    // Only where the last commit is not the tip does a reader have to know what a tip is.
    let header = |bytes: &[u8]| {
        String::from_utf8_lossy(bytes)
            .lines()
            .next()
            .unwrap()
            .to_owned()
    };
    assert!(header(&bytes).contains("lineage"));
    assert!(!header(&after).contains("lineage"));
    assert!(!String::from_utf8(after).unwrap().contains("tip"));
}

#[test]
fn nothing_is_followed_after_a_purge() {
    let (first, _) = next(None, &[put(PutMode::Append, 1)], 0);
    let (purged, _) = upkeep(&first, Operation::Purge, 1);
    let (configured, _) = configured(&purged, 2);
    let (again, _) = next(Some(&configured), &[put(PutMode::Append, 2)], 3);
    assert_eq!(purged.commits[0].1.parents, [first.commits[0].0.clone()]);
    assert_eq!((purged.tip(), configured.tip()), (None, None));
    assert!(configured.commits[0].1.parents.is_empty());
    assert!(again.commits[0].1.parents.is_empty());
    assert_eq!(invariants::broken(Some(&configured), &again), None);
}

#[test]
fn entries_of_upkeep_are_written_as_they_always_were() {
    let (first, _) = next(None, &[put(PutMode::Append, 1)], 0);
    let (_, bytes) = configured(&first, 1);
    assert_eq!(
        String::from_utf8_lossy(&bytes),
        String::from_utf8_lossy(LINEAGE)
    );
}

#[test]
fn the_tip_after_an_entry_of_an_older_program_is_its_last_change() {
    for old in [SECOND, HISTORY[1], REMEMBERED[1]] {
        let second = decode(2, old).unwrap();
        let tip = second.tip().unwrap();
        assert!(second.knows_tip());
        assert_eq!((tip.version, tip.sequence), (3, 2));
        let (third, _) = next(Some(&second), &[put(PutMode::Append, 4)], 9);
        assert_eq!(third.commits[0].1.parents, [tip.commit]);
        assert_eq!(invariants::broken(Some(&second), &third), None);
    }
}

#[test]
fn the_tip_is_the_last_change() {
    breaks("the tip is the last commit that is no upkeep", |entry| {
        let (configured, _) = configured(&two_entries().0, 1);
        entry.header = configured.header;
        entry.state.tip = configured.state.tip;
    });
}

#[test]
fn commit_ids_are_the_hashes_of_their_lines() {
    let (entry, bytes) = next(None, &[put(PutMode::Append, 1)], 0);
    let line = bytes.split(|byte| *byte == b'\n').nth(1).unwrap();
    assert_eq!(entry.commits[0].0, blake3::hash(line).to_hex().to_string());
    assert_eq!(encode_commit(&entry.commits[0].1).unwrap().1, line);
}

#[test]
fn a_commit_is_later_than_its_parent_even_when_the_clock_jumps_back() {
    let (first, _) = next(None, &[put(PutMode::Append, 1)], 3600);
    let (second, _) = next(Some(&first), &[put(PutMode::Append, 2)], 0);
    assert_eq!(second.commits[0].1.time, first.commits[0].1.time.next());
    assert_eq!(second.header.published, first.header.published.next());
}

#[test]
fn changes_of_deletes_do_not_take_room() {
    let (first, _) = next(None, &[put(PutMode::Append, 1)], 0);
    let delete = Proposal {
        wish: Wish::Delete { adopt: None },
        ..put(PutMode::Append, 2)
    };
    let (second, _) = next(Some(&first), &[delete], 1);
    let changes: Vec<Change> = second.list_through(2).changes;
    assert_eq!(
        changes
            .iter()
            .map(|change| change.version)
            .collect::<Vec<_>>(),
        [1]
    );
}
