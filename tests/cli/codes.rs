//! Exit codes and errors, as scripts see them.

use serde_json::Value;

use crate::place::{Place, command, data, everywhere};

#[test]
fn each_kind_of_failure_has_its_exit_code_and_one_line() {
    everywhere(|place| {
        place.ok(&["put", &data("airlines.csv"), "--quiet"]);
        let other = place.path("airlines.csv");
        std::fs::write(&other, "carrier,fame\n1,2\n").unwrap();
        for (code, arguments) in [
            (3, &["get", "absent"][..]),
            (3, &["ls", "absent"]),
            (3, &["restore", "airlines", "99"]),
            (4, &["put", &other, "--quiet"]),
            (11, &["put", &other, "--mode", "append", "--quiet"]),
            (2, &["get", "airlines", "--start", "1"]),
            (2, &["get", "air/li/nes"]),
            (2, &["tag", "airlines", "17"]),
            (3, &["tag", "airlines", "x", "--as-of", "99"]),
        ] {
            let err = place.fails(code, arguments);
            assert!(err.starts_with("error: "), "{arguments:?}: {err}");
            assert_eq!(err.lines().count(), 1, "{arguments:?}: {err}");
        }
    });
}

#[test]
fn with_json_a_failure_is_an_object_on_standard_error() {
    everywhere(|place| {
        let err = place.fails(3, &["get", "absent", "--json"]);
        let told: Value = serde_json::from_str(&err).unwrap();
        assert_eq!(told["type"], "FileNotFoundError");
        assert_eq!(told["code"], 3);
        assert!(
            told["message"].as_str().unwrap().contains("absent"),
            "{told}"
        );
    });
}

#[test]
fn a_server_that_is_not_there_and_a_store_that_cannot_be_opened_are_told_apart() {
    let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = unused.local_addr().unwrap().to_string();
    drop(unused);
    let outcome = command()
        .args(["--server", &address, "ping"])
        .output()
        .unwrap();
    assert_eq!(outcome.status.code(), Some(6));
    let said = String::from_utf8(outcome.stderr).unwrap();
    assert!(said.contains(&address), "{said}");

    let outcome = command()
        .args(["--store", "ftp://x", "ls"])
        .output()
        .unwrap();
    assert_eq!(outcome.status.code(), Some(2));
    let said = String::from_utf8(outcome.stderr).unwrap();
    assert!(said.contains("ftp"), "{said}");
}

#[test]
fn a_wrong_command_line_is_told_before_anything_is_asked() {
    for arguments in [
        &["get"][..],
        &["frobnicate"],
        &["put", "x.csv", "--mode", "sideways"],
        &["--server", "a", "--store", "b", "ls"],
        &["get", "x", "--format", "xlsx"],
        &["get", "x", "--tail", "1", "--limit", "1"],
        &["put", "x.csv", "--types", "a=strng"],
        &["get", "x", "--as-of", "version:x"],
        &["sql", "select 1", "-f", "x.sql"],
    ] {
        let outcome = command().args(arguments).output().unwrap();
        assert_eq!(outcome.status.code(), Some(2), "{arguments:?}: {outcome:?}");
        assert!(outcome.stdout.is_empty() && !outcome.stderr.is_empty());
    }
}

#[test]
fn a_server_answers_and_stops_when_it_is_told_to() {
    let place = Place::server();
    assert!(place.ok(&["ping"]).starts_with("pong after "));
    assert_eq!(place.json(&["ping"])[0]["ok"], true);
    place.ok(&["shutdown"]);
    let store = Place::store();
    assert!(store.ok(&["ping"]).starts_with("pong after "));
    let err = store.fails(2, &["shutdown"]);
    assert!(err.contains("no server"), "{err}");
}
