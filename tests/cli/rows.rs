//! Rows come out: ranges, states, ends, tables, and pipes that close early.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use serde_json::json;

use crate::place::{Place, data, everywhere};

#[test]
fn ranges_columns_and_ends_choose_rows() {
    everywhere(|place| {
        let place = place.with_weather();
        let day = [
            "get",
            "weather",
            "--start",
            "2013-02-08",
            "--stop",
            "2013-02-09",
            "--columns",
            "time_hour,origin,temp",
        ];
        let rows = place.json(&day);
        assert_eq!(rows.len(), 72);
        assert!(
            rows.iter()
                .all(|row| row["time_hour"].as_str().unwrap().starts_with("2013-02-08"))
        );
        assert_eq!(rows[0].as_object().unwrap().len(), 3);

        let last = place.json(&["tail", "weather", "-n", "2", "--columns", "origin"]);
        assert_eq!(last, [json!({"origin": "JFK"}), json!({"origin": "LGA"})]);
        let part = place.json(&["get", "weather", "--offset", "6460"]);
        assert_eq!(part.len(), 3);
        let columns = place.json(&["columns", "weather.temp", "--limit", "2"]);
        assert_eq!(columns[0].as_object().unwrap().len(), 3, "{columns:?}");
    });
}

#[test]
fn a_state_is_a_version_a_tag_a_time_or_a_commit() {
    everywhere(|place| {
        let path = place.path("n.csv");
        for (n, mode) in [(1, "error"), (2, "replace"), (3, "replace")] {
            std::fs::write(&path, format!("n\n{n}\n")).unwrap();
            place.ok(&["put", &path, "--mode", mode, "--quiet"]);
        }
        place.ok(&["tag", "n", "second", "--as-of", "2"]);
        let commits = place.json(&["log", "n"]);
        let of_two = commits
            .iter()
            .find(|commit| commit["version"] == 2)
            .unwrap();
        let published = of_two["published"].as_str().unwrap();
        let commit = of_two["commit"].as_str().unwrap();
        for state in [
            "2",
            "version:2",
            "second",
            "tag:second",
            published,
            &format!("time:{published}"),
            &commit[..12],
            &format!("commit:{commit}"),
        ] {
            assert_eq!(
                place.json(&["get", "n", "--as-of", state]),
                [json!({"n": 2})],
                "{state}"
            );
        }
        assert_eq!(place.json(&["get", "n", "--as-of", "1"]), [json!({"n": 1})]);
        assert_eq!(place.json(&["get", "n", "--as-of=-1"]), [json!({"n": 3})]);
        let err = place.fails(3, &["get", "n", "--as-of", "17"]);
        assert!(err.contains("17"), "{err}");
    });
}

#[test]
fn a_table_shows_what_fits_and_says_what_it_leaves_out() {
    let place = Place::store().with_weather();
    let shown = place.run(&[
        "get",
        "weather",
        "--format",
        "table",
        "--rows",
        "3",
        "--columns",
        "origin,temp",
    ]);
    let expected = "\
┌────────┬────────┐
│ origin ┆   temp │
│ string ┆ double │
╞════════╪════════╡
│ EWR    ┆  39.02 │
│ JFK    ┆  39.02 │
│ LGA    ┆  39.92 │
└────────┴────────┘
";
    assert_eq!(shown.out, expected);
    assert!(
        shown.err.starts_with("3 of 6,463 rows, 2 columns"),
        "{}",
        shown.err
    );
    let all = place.run(&["head", "weather", "-n", "50", "--format", "table"]);
    assert_eq!(all.out.lines().count(), 55);
    assert_eq!(all.err, "50 rows, 15 columns\n");
}

#[test]
fn a_pipe_gets_csv_without_a_word_and_may_close_early() {
    everywhere(|place| {
        let place = place.with_weather();
        let got = place.run(&["get", "weather"]);
        assert_eq!(got.err, "");
        assert_eq!(got.out.lines().count(), 6464);
        assert!(
            got.out.starts_with("origin,year,month,day,hour,temp,"),
            "{}",
            &got.out[..80]
        );
        for format in ["csv", "json", "parquet", "arrow"] {
            let mut command = place.command();
            command.args(["get", "weather", "--format", format]);
            let mut child = command
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            let mut some = Vec::new();
            let mut out = BufReader::with_capacity(16, child.stdout.take().unwrap());
            out.read_until(b'\n', &mut some).unwrap();
            drop(out);
            let ended = child.wait_with_output().unwrap();
            let said = String::from_utf8(ended.stderr).unwrap();
            assert_eq!(
                (ended.status.code(), said.as_str()),
                (Some(0), ""),
                "{format}"
            );
        }
    });
}

#[test]
fn as_many_rows_are_taken_as_are_asked_for_in_a_pipe_and_in_a_file_too() {
    let place = Place::store().with_weather();
    for (rows, lines) in [("3", 4), ("0", 6464), ("9999", 6464)] {
        let csv = place.ok(&["get", "weather", "--rows", rows]);
        assert_eq!(csv.lines().count(), lines, "{rows}");
    }
    let asked = "select origin from weather";
    assert_eq!(place.json(&["sql", asked, "--rows", "2"]).len(), 2);
    let path = place.path("few.csv");
    place.ok(&["get", "weather", "--rows", "5", "-o", &path]);
    assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 6);
}

#[test]
fn a_file_is_written_whole_or_not_at_all() {
    let place = Place::store().with_weather();
    let path = place.path("weather.parquet");
    let said = place.run(&["get", "weather", "-o", &path]);
    assert_eq!((said.code, said.out.as_str()), (Some(0), ""), "{said:?}");
    assert!(said.err.contains("6,463 rows"), "{}", said.err);
    let before = std::fs::read(&path).unwrap();
    place.fails(3, &["get", "absent", "-o", &path]);
    assert_eq!(std::fs::read(&path).unwrap(), before);
    let err = place.fails(2, &["get", "weather", "-o", &place.path("weather.xlsx")]);
    assert!(err.contains(".parquet, .csv, .json or .arrow"), "{err}");
    let left: Vec<_> = std::fs::read_dir(place.folder()).unwrap().collect();
    assert_eq!(left.len(), 2, "{left:?}");
}

#[test]
fn bins_of_time_are_shown_or_put() {
    everywhere(|place| {
        let place = place.with_weather();
        let daily = [
            "--rule",
            "D",
            "--func",
            "temp=mean,temp=max",
            "--by",
            "origin",
        ];
        let shown = place.json(&[&["resample", "weather"][..], &daily].concat());
        assert_eq!(shown.len(), 273);
        assert!(
            shown[0]
                .get("temp_mean")
                .or_else(|| shown[0].get("temp"))
                .is_some(),
            "{}",
            shown[0]
        );
        let made = place
            .json(&[&["resample", "weather", "daily"][..], &daily].concat())
            .remove(0);
        assert_eq!(
            (&made["source_rows"], &made["target_rows"]),
            (&json!(6463), &json!(273))
        );
        assert_eq!(place.json(&["get", "daily"]), shown);
    });
}

#[test]
fn frames_are_combined() {
    everywhere(|place| {
        place.ok(&["put", &data("flights.csv"), "--null", "NA", "--quiet"]);
        place.ok(&["put", &data("airlines.csv"), "--quiet"]);
        let joined = [
            "combine",
            "inner",
            "flights",
            "airlines@1",
            "--on",
            "carrier",
            "--into",
            "named",
        ];
        let made = place.json(&joined).remove(0);
        assert_eq!(made["target_rows"], 2000);
        let row = place.json(&["head", "named", "-n", "1"]).remove(0);
        assert_eq!(row["name"], "United Air Lines Inc.");
    });
}

#[test]
fn a_bound_that_says_no_day_is_refused() {
    let place = Place::store().with_weather();
    for bound in ["2013", "2013-02", "Feb 2013"] {
        for flag in ["--start", "--stop"] {
            let err = place.fails(2, &["get", "weather", flag, bound]);
            assert!(err.starts_with(&format!("error: {flag}: ")), "{err}");
            assert!(err.contains(bound) && err.contains("time_hour"), "{err}");
            assert!(err.contains("\"2024-01-31\""), "{err}");
        }
    }
}
