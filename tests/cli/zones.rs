//! Times of CSV and JSON files that say no zone: which one they are in is said, and what it leaves open is asked back.

use serde_json::json;

use crate::place::{Outcome, Place, everywhere};

const PUT: [&str; 5] = ["put", "-", "--name", "f", "--quiet"];

fn put(place: &Place, rows: &str, flags: &[&str]) -> Outcome {
    place.run_with(rows.as_bytes(), &[&PUT[..], flags].concat())
}

fn done(outcome: &Outcome) {
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
}

fn refused(outcome: &Outcome, code: i32, said: &[&str]) {
    assert_eq!(outcome.code, Some(code), "{outcome:?}");
    for said in said {
        assert!(outcome.err.contains(said), "{said}: {}", outcome.err);
    }
}

#[test]
fn times_without_a_zone_join_a_frame_that_has_one_once_it_is_said() {
    everywhere(|place| {
        done(&put(
            &place,
            "t,n\n2013-01-01T05:00:00Z,1\n",
            &["--index", "t"],
        ));
        let rows = "t,n\n2013-01-01 05:00,2\n2013-07-01 05:00,3\n";
        let append = ["--mode", "append"];
        refused(
            &put(&place, rows, &append),
            11,
            &["column \"t\"", "timestamp[ns, tz=UTC]", "--zone"],
        );
        refused(
            &put(&place, "t,n\n2013-01-02,2\n", &append),
            11,
            &["column \"t\"", "--zone"],
        );
        assert_eq!(place.json(&["get", "f"]).len(), 1);

        let in_new_york = [&append[..], &["--zone", "America/New_York"]].concat();
        done(&put(&place, rows, &in_new_york));
        done(&put(&place, "t,n\n2013-08-01,4\n", &in_new_york));
        let times: Vec<_> = place.json(&["get", "f", "--columns", "t"]);
        let expected = ["01T05:00", "01T10:00"].map(|time| format!("2013-01-{time}:00Z"));
        assert_eq!(times[0]["t"], expected[0]);
        assert_eq!(times[1]["t"], expected[1]);
        assert_eq!(times[2]["t"], "2013-07-01T09:00:00Z");
        assert_eq!(times[3]["t"], "2013-08-01T04:00:00Z");
    });
}

#[test]
fn hours_in_which_clocks_are_changed_are_refused_with_their_line() {
    let place = Place::store();
    let zone = ["--zone", "America/New_York"];
    let spring = "t\n2013-03-10 01:30\n2013-03-10 02:30\n";
    refused(
        &put(&place, spring, &zone),
        11,
        &[
            "line 3",
            "\"2013-03-10 02:30",
            "never was in America/New_York",
            "nothing was put",
        ],
    );
    let autumn = "t\n2013-11-03 00:30\n2013-11-03 01:30\n";
    refused(
        &put(&place, autumn, &zone),
        11,
        &[
            "line 3",
            "\"2013-11-03 01:30",
            "was twice",
            "write -04:00 or -05:00 behind it",
        ],
    );
    done(&put(
        &place,
        "t\n2013-11-03 00:30\n2013-11-03 01:30-05:00\n",
        &zone,
    ));
    let rows = place.json(&["get", "f"]);
    assert_eq!(
        rows,
        [
            json!({"t": "2013-11-03T00:30:00-04:00"}),
            json!({"t": "2013-11-03T01:30:00-05:00"})
        ]
    );
    let told = place.json(&["describe", "f"]).remove(0);
    assert_eq!(
        told["columns"][0]["type"],
        "timestamp[ns, tz=America/New_York]"
    );
}

#[test]
fn a_row_further_on_is_not_read_as_if_it_had_a_zone_or_none() {
    let place = Place::store();
    let look = ["--infer-rows", "1"];
    for (rows, said) in [
        (
            "t\n2013-01-01T05:00:00Z\n2013-01-01 05:00:00\n",
            "says no zone",
        ),
        (
            "t\n2013-01-01 05:00:00\n2013-01-01T05:00:00+02:00\n",
            "says a zone",
        ),
        (
            "t\n2013-01-01 05:00:00\n2013-01-01 05:00:00 UTC\n",
            "says a zone",
        ),
        ("t\n2013-01-01\n2013-01-01 05:00:00\n", "has a time of day"),
    ] {
        refused(&put(&place, rows, &look), 11, &["line 3", said]);
    }
    let spoken = ["--types", "t=timestamp[s, tz=Europe/Paris]"];
    done(&put(&place, "t\n2013-01-01 05:00\n", &spoken));
    assert_eq!(
        place.json(&["get", "f"]),
        [json!({"t": "2013-01-01T05:00:00+01:00"})]
    );
}

#[test]
fn a_zone_that_is_for_nothing_is_refused() {
    let place = Place::store();
    let zone = ["--zone", "UTC"];
    refused(&put(&place, "n\n1\n", &zone), 2, &["--zone", "n int64"]);
    done(&put(&place, "t\n2013-01-01 05:00\n", &[]));
    let joins = ["--zone", "UTC", "--mode", "append"];
    refused(
        &put(&place, "t\n2013-01-02 05:00\n", &joins),
        2,
        &["--zone", "t timestamp[ns]"],
    );
    refused(
        &put(
            &place,
            "{\"t\": 1}\n",
            &["--zone", "UTC", "--format", "json"],
        ),
        2,
        &["--zone", "t int64"],
    );
    let unknown = put(&place, "t\n2013-01-01 05:00\n", &["--zone", "Mars/Olympus"]);
    refused(&unknown, 2, &["no time zone", "America/New_York"]);
    assert_eq!(place.json(&["get", "f"]).len(), 1);
}

#[test]
fn texts_of_json_are_times_where_the_frame_or_somebody_says_so() {
    everywhere(|place| {
        let json = ["--format", "json"];
        done(&put(
            &place,
            "t,n\n2013-01-01T05:00:00Z,1\n",
            &["--index", "t"],
        ));
        let written = place.ok(&["get", "f", "--format", "json"]);
        let append = [&json[..], &["--mode", "append"]].concat();
        done(&put(&place, &written, &append));
        let naive = "{\"t\": null, \"n\": 1}\n{\"t\": \"2013-11-03 01:30\", \"n\": 2}\n";
        let told = [
            "row 2, column \"t\"",
            "says no zone",
            "--zone",
            "nothing was put",
        ];
        refused(&put(&place, naive, &append), 11, &told);
        let in_new_york = [&append[..], &["--zone", "America/New_York"]].concat();
        refused(
            &put(&place, naive, &in_new_york),
            11,
            &["row 2", "was twice"],
        );
        let naive = "{\"t\": \"2013-07-01 05:00\", \"n\": 2}\n";
        done(&put(&place, naive, &in_new_york));
        let rows = place.json(&["get", "f", "--columns", "t"]);
        let times: Vec<_> = rows.iter().map(|row| row["t"].as_str().unwrap()).collect();
        assert_eq!(
            times,
            [
                "2013-01-01T05:00:00Z",
                "2013-01-01T05:00:00Z",
                "2013-07-01T09:00:00Z"
            ]
        );
        let no_time = "{\"t\": \"NA\", \"n\": 2}\n";
        refused(
            &put(&place, no_time, &append),
            11,
            &["\"NA\" is no timestamp"],
        );

        let said = ["--mode", "replace", "--types", "t=date32[day]"];
        let day = "{\"t\": \"2013-07-01\"}\n";
        done(&put(&place, day, &[&json[..], &said].concat()));
        assert_eq!(place.json(&["get", "f"]), [json!({"t": "2013-07-01"})]);
        let time = "{\"t\": \"2013-07-01 05:00\"}\n";
        refused(
            &put(&place, time, &[&json[..], &said].concat()),
            11,
            &["time of day"],
        );
    });
}
