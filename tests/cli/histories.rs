//! Versions: corrected, compared, named, restored, and what is deleted and comes back.

use serde_json::{Value, json};

use crate::place::{Place, data, everywhere};

/// A file with one week of the weather, warmer by a hundred degrees.
fn corrected_week(place: &Place) -> String {
    let weather = std::fs::read_to_string(data("weather.csv")).unwrap();
    let mut lines = weather.lines();
    let mut week = vec![lines.next().unwrap().to_owned()];
    for line in lines {
        let mut fields: Vec<String> = line.split(',').map(str::to_owned).collect();
        let day = &fields[14][..10];
        if ("2013-02-04".."2013-02-11").contains(&day) {
            let temp: f64 = fields[5].parse().unwrap_or(0.0);
            fields[5] = (temp + 100.0).to_string();
            week.push(fields.join(","));
        }
    }
    let path = place.path("week.csv");
    std::fs::write(&path, week.join("\n")).unwrap();
    path
}

fn hottest(place: &Place) -> f64 {
    let row = place
        .json(&["sql", "select max(temp) as temp from weather"])
        .remove(0);
    row["temp"].as_f64().unwrap()
}

#[test]
fn a_week_is_corrected_looked_at_and_taken_back() {
    everywhere(|place| {
        let place = place.with_weather();
        let week = corrected_week(&place);
        let rows = std::fs::read_to_string(&week).unwrap().lines().count() - 1;
        let types = "temp=double,dewp=double,humid=double,wind_gust=double,pressure=double,precip=double,visib=double,wind_speed=double";
        let put = [
            "put",
            &week,
            "--name",
            "weather",
            "--mode",
            "update",
            "--types",
            types,
            "--null",
            "NA",
            "-m",
            "the corrected week",
            "--author",
            "ada",
            "--meta",
            "ticket=7",
            "--quiet",
        ];
        let put = place.json(&put).remove(0);
        assert_eq!((&put["version"], &put["rows"]), (&json!(2), &json!(rows)));
        assert!(hottest(&place) > 100.0);

        let log = place.json(&["log", "weather"]);
        let newest = &log[0];
        assert_eq!(newest["message"], "the corrected week");
        assert_eq!(
            (&newest["author"], &newest["metadata"]["ticket"]),
            (&json!("ada"), &json!(7))
        );
        let table = place.ok(&["log", "weather"]);
        assert!(table.starts_with("VERSION  PUBLISHED"), "{table}");
        assert!(table.contains("the corrected week"), "{table}");

        let diff = place.json(&["diff", "weather"]).remove(0);
        assert_eq!(
            (&diff["rows_added"], &diff["rows_removed"]),
            (&json!(rows), &json!(rows))
        );
        let shown = place.json(&["diff", "weather", "1", "2", "--show-rows"]);
        assert_eq!(shown.len(), rows * 2);

        place.ok(&["tag", "weather", "as delivered", "--as-of", "1"]);
        let tags = place.json(&["tags", "weather"]);
        assert_eq!(
            (&tags[0]["tag"], &tags[0]["version"]),
            (&json!("as delivered"), &json!(1))
        );
        place.ok(&["restore", "weather", "tag:as delivered", "-m", "undo"]);
        assert!(hottest(&place) < 100.0);
        place.ok(&["restore", "weather", "-2"]);
        assert!(hottest(&place) > 100.0);
        place.ok(&["untag", "weather", "as delivered"]);
        assert!(place.json(&["tags", "weather"]).is_empty());
    });
}

#[test]
fn frames_are_deleted_brought_back_moved_and_copied() {
    everywhere(|place| {
        place.ok(&["put", &data("airlines.csv"), "--quiet"]);
        place.ok(&["rm", "airlines"]);
        place.fails(3, &["get", "airlines"]);
        place.ok(&["undelete", "airlines"]);
        place.ok(&["cp", "airlines", "nyc/"]);
        place.ok(&["mv", "airlines", "carriers"]);
        let names = |arguments: &[&str]| {
            let frames = place.json(arguments);
            let name = |frame: &Value| frame["name"].as_str().unwrap().to_owned();
            frames.iter().map(name).collect::<Vec<_>>()
        };
        assert_eq!(names(&["ls"]), ["carriers"]);
        assert_eq!(names(&["ls", "nyc"]), ["airlines"]);
        assert_eq!(names(&["ls", "-a"]).len(), 2);
        assert_eq!(names(&["ls", "-a", "--match", "^air"]), ["airlines"]);
        assert_eq!(place.ok(&["buckets"]), "nyc\n");
        place.fails(4, &["delete-bucket", "nyc"]);
        place.ok(&["delete-bucket", "nyc", "--with-frames"]);
        assert_eq!(place.ok(&["buckets"]), "");
    });
}

#[test]
fn rows_and_columns_are_changed_and_can_be_seen_as_they_were() {
    everywhere(|place| {
        let place = place.with_weather();
        let deleted = [
            "delete-rows",
            "weather",
            "--start",
            "2013-02-01",
            "--stop",
            "2013-03-01",
            "--where",
            "origin = 'EWR'",
        ];
        let deleted = place.json(&deleted).remove(0);
        let query = "select count(*) as n from as_of('weather', 1) where origin = 'EWR' \
                     and time_hour >= '2013-02-01' and time_hour < '2013-03-01'";
        assert_eq!(deleted["rows_removed"], place.json(&["sql", query])[0]["n"]);
        let columns = [
            "alter",
            "weather",
            "--add",
            "note=string",
            "--rename",
            "temp=temperature",
            "--drop",
            "visib",
        ];
        place.ok(&columns);
        let diff = place.ok(&["diff", "weather"]);
        for said in [
            "column note added: string",
            "column visib dropped: double",
            "column temp renamed to temperature",
        ] {
            assert!(diff.contains(said), "{said}: {diff}");
        }
        let err = place.fails(2, &["alter", "weather"]);
        assert!(err.contains("--add"), "{err}");
    });
}

#[test]
fn upkeep_says_what_it_does_and_purging_needs_a_yes() {
    everywhere(|place| {
        let path = place.path("n.csv");
        std::fs::write(&path, "n\n1\n").unwrap();
        for _ in 0..4 {
            place.ok(&["put", &path, "--mode", "append", "--quiet"]);
        }
        let compacted = place.json(&["compact", "n"]).remove(0);
        assert_eq!(
            (&compacted["segments_before"], &compacted["segments_after"]),
            (&json!(4), &json!(1))
        );
        let rule = place
            .json(&["retention", "n", "--keep-versions", "2"])
            .remove(0);
        assert_eq!(rule["own"]["keep_versions"], 2);
        let would = place.json(&["expire", "n", "--dry-run"]).remove(0);
        assert!(would["versions_expired"].as_i64().unwrap() >= 2, "{would}");
        place.ok(&["retention", "n", "--unset"]);
        assert!(place.ok(&["verify"]).starts_with("1 frame, "));
        let usage = place.json(&["usage"]).remove(0);
        assert_eq!(usage["buckets"][0]["rows"], 4);
        assert_eq!(place.json(&["files", "n"]).len(), 1);

        let err = place.fails(2, &["purge", "n"]);
        assert!(err.contains("--yes"), "{err}");
        place.ok(&["purge", "n", "--dry-run"]);
        assert_eq!(place.json(&["get", "n"]).len(), 4);
        place.ok(&["purge", "n", "--yes"]);
        place.fails(3, &["undelete", "n"]);
    });
}

#[test]
fn a_damaged_file_is_found_and_has_its_own_exit_code() {
    let place = Place::store();
    place.ok(&["put", &data("airlines.csv"), "--quiet"]);
    let files = place.json(&["files", "airlines"]);
    let path = place
        .folder()
        .join("store")
        .join(files[0]["path"].as_str().unwrap());
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[100] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let verified = place.run(&["verify", "airlines"]);
    assert_eq!(verified.code, Some(10), "{verified:?}");
    assert!(verified.out.contains("damaged: "), "{}", verified.out);
}

#[test]
fn frames_that_cannot_be_read_are_named_beside_the_listing() {
    let place = Place::store();
    place.ok(&["put", &data("airlines.csv"), "--quiet"]);
    place.ok(&["put", &data("airlines.csv"), "--name", "torn", "--quiet"]);
    let entry = "store/_default/torn/log/00000000000000000001.jsonl";
    std::fs::write(place.folder().join(entry), "{}").unwrap();
    let listed = place.run(&["ls", "--quiet"]);
    assert_eq!(listed.code, Some(0), "{listed:?}");
    assert!(listed.out.contains("airlines"), "{listed:?}");
    assert!(!listed.out.contains("torn"), "{listed:?}");
    for part in ["1 frame cannot be read", "shoots verify", "torn: ", entry] {
        let part = part.trim_start_matches("store/");
        assert!(listed.err.contains(part), "{listed:?}");
    }
    let listed = place.run(&["ls", "--json"]);
    assert_eq!(listed.json().len(), 1, "{listed:?}");
    let told: Value = serde_json::from_str(&listed.err).unwrap();
    assert_eq!(told["unreadable"][0]["name"], "torn", "{told}");
    let chosen = place.run(&["ls", "--match", "^air"]);
    assert_eq!(chosen.err, "", "{chosen:?}");
}

#[test]
fn snapshots_name_the_state_of_many_frames() {
    everywhere(|place| {
        let path = place.path("n.csv");
        std::fs::write(&path, "n\n1\n").unwrap();
        place.ok(&["put", &path, "--quiet"]);
        place.ok(&["put", &path, "--name", "m", "--quiet"]);
        place.ok(&["snapshot", "year end"]);
        std::fs::write(&path, "n\n2\n").unwrap();
        place.ok(&["put", &path, "--mode", "replace", "--quiet"]);
        assert_eq!(
            place.json(&["get", "n", "--as-of", "snapshot:year end"]),
            [json!({"n": 1})]
        );
        assert_eq!(
            place.json(&["snapshots"])[0]["frames"]
                .as_array()
                .unwrap()
                .len(),
            2
        );
        place.ok(&["drop-snapshot", "year end"]);
        assert!(place.json(&["snapshots"]).is_empty());
    });
}
