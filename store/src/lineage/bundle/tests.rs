//! Bundles read back as they were written, and what was tampered with is refused.

use serde_json::{Value, json};

use super::*;

fn path() -> Path {
    Path::from("f/histories/x.jsonl")
}

fn commit(time: u32, parents: &[String]) -> Value {
    json!({
        "parents": parents,
        "time": format!("2026-01-01T00:00:{time:02}.000000000Z"),
        "write_id": format!("{time:032x}"),
        "operation": "append",
        "schema": "5c",
        "added": [{ "id": format!("{time:032x}"), "rows": 3, "bytes": 7, "hash": "ab" }],
    })
}

fn kept(commit: &Value) -> Kept {
    let line = Bytes::from(commit.to_string());
    Kept {
        record: Record::new(line, Vec::new(), None).unwrap(),
        gone: false,
    }
}

fn some() -> Vec<Kept> {
    let first = kept(&commit(1, &[]));
    let mut second = kept(&commit(2, std::slice::from_ref(&first.record.id)));
    second.record.list = Some(vec![Listed {
        segment: second.record.commit.added[0].clone(),
        schema: "5c".into(),
        hidden: None,
    }]);
    let mut third = kept(&commit(3, std::slice::from_ref(&second.record.id)));
    third.gone = true;
    vec![first, second, third]
}

#[test]
fn a_bundle_reads_back_as_it_was_written() {
    let (hash, bytes) = encode(&some(), "00".into()).unwrap();
    assert_eq!(decode(&path(), &hash, &bytes).unwrap(), some());
}

#[test]
fn a_bundle_with_another_hash_is_refused() {
    let (hash, bytes) = encode(&some(), String::new()).unwrap();
    let mut flipped = bytes.to_vec();
    flipped[40] ^= 1;
    for bytes in [&flipped[..], &bytes[..bytes.len() - 1]] {
        let error = decode(&path(), &hash, bytes).unwrap_err();
        assert_eq!(error.kind(), crate::ErrorKind::Damaged);
        assert!(error.to_string().contains("f/histories/x.jsonl"), "{error}");
    }
}

/// Decodes text under its own hash.
fn decoded(text: &str) -> Result<Vec<Kept>> {
    let hash = blake3::hash(text.as_bytes()).to_hex().to_string();
    decode(&path(), &hash, text.as_bytes())
}

#[test]
fn what_cannot_be_true_is_refused_whatever_its_hash() {
    let header = r#"{"shoots":"history","format":1}"#;
    let of = |commit: &Value| format!("{header}\n{}\n", json!({ "commit": commit.to_string() }));
    assert_eq!(decoded(&of(&commit(1, &[]))).unwrap().len(), 1);
    let spoiled = |pointer: &str, value: Value| {
        let mut spoiled = commit(1, &[]);
        *spoiled.pointer_mut(pointer).unwrap() = value;
        of(&spoiled)
    };
    let broken_line = json!({ "commit": commit(1, &[]).to_string().replace(',', ",\n") });
    let mut twice = commit(1, &[]);
    twice["added"] = json!([twice["added"][0], twice["added"][0]]);
    let listed = json!({
        "commit": commit(1, &[]).to_string(),
        "list": [{ "segment": { "id": "../x", "rows": 1, "bytes": 1, "hash": "ab" }, "schema": "5c" }],
    });
    let backwards: Vec<String> = some()
        .iter()
        .rev()
        .map(|kept| serde_json::to_string(&Stored::of(kept).unwrap()).unwrap())
        .collect();
    for text in [
        String::new(),
        "\n".into(),
        "{}\n".into(),
        "{\"shoots\":\"entry\",\"format\":1}\n".into(),
        spoiled("/added/0/id", json!("../../x")),
        spoiled("/added/0/rows", json!(u64::MAX)),
        spoiled("/added/0/bytes", json!(u64::MAX)),
        spoiled("/schema", json!("")),
        spoiled("/parents", json!(["ab"])),
        spoiled("/time", json!("2262-04-01T00:00:00.000000000Z")),
        of(&twice),
        format!("{header}\n{broken_line}\n"),
        format!("{header}\n{listed}\n"),
        format!("{header}\n{}\n", backwards.join("\n")),
        format!("{header}\n[]\n"),
        format!("{header}\n{{\"commit\":\"{}\"}}\n", "[".repeat(10_000)),
    ] {
        let refused = decoded(&text).unwrap_err();
        assert_eq!(refused.kind(), crate::ErrorKind::Damaged, "{text}");
    }
    let newer = FORMAT + 1;
    let newer = decoded(&format!("{{\"shoots\":\"history\",\"format\":{newer}}}\n")).unwrap_err();
    assert_eq!(newer.kind(), crate::ErrorKind::Newer);
}

#[test]
fn a_link_leads_from_a_commit_to_the_one_it_follows() {
    let first = kept(&commit(1, &[])).record;
    let upkeep = |time: u32, parent: &str| {
        let mut upkeep = commit(time, &[parent.to_owned()]);
        upkeep["operation"] = json!("compact");
        let line = Bytes::from(upkeep.to_string());
        (blake3::hash(&line).to_hex().to_string(), line)
    };
    let (one, one_line) = upkeep(2, &first.id);
    let (two, two_line) = upkeep(3, &one);
    let line = Bytes::from(commit(4, &[two]).to_string());
    let linked = |links: Vec<&Bytes>| {
        let links = links.into_iter().cloned().collect();
        Record::new(line.clone(), links, None).unwrap().follows()
    };
    assert_eq!(
        linked(vec![&two_line, &one_line]).unwrap(),
        std::slice::from_ref(&first.id)
    );
    assert_eq!(linked(vec![&two_line]).unwrap(), [one]);
    assert!(linked(vec![&one_line, &two_line]).is_err());
    assert!(linked(vec![&first.line]).is_err());
}

#[test]
fn many_commits_take_several_bundles() {
    let one = some().remove(0);
    let many = vec![one; FULL_RECORDS * 2 + 1];
    let sizes: Vec<usize> = chunks(&many).iter().map(|chunk| chunk.len()).collect();
    assert_eq!(sizes, [FULL_RECORDS, FULL_RECORDS, 1]);
    assert!(chunks(&[]).is_empty());
}
