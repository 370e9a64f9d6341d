//! Queries: their scope, several of them, and their mistakes.

use serde_json::json;

use crate::place::{Place, data, everywhere};

#[test]
fn a_query_names_its_frames_itself_in_any_bucket() {
    everywhere(|place| {
        place.ok(&[
            "put",
            &data("flights.csv"),
            "--name",
            "nyc/flights",
            "--quiet",
        ]);
        place.ok(&["put", &data("airlines.csv"), "--quiet"]);
        let query = "select name, count(*) as flights from nyc.flights join airlines using (carrier) \
                     group by name order by flights desc, name limit 2";
        let rows = place.json(&["sql", query]);
        assert_eq!(
            rows[0],
            json!({"name": "United Air Lines Inc.", "flights": 375})
        );
        let here = place.json(&["sql", "select count(*) as n from flights", "-b", "nyc"]);
        assert_eq!(here, [json!({"n": 2000})]);
        let states = place.json(&[
            "sql",
            "select version, operation from history('nyc.flights')",
        ]);
        assert_eq!(states[0]["version"], 1);
    });
}

#[test]
fn several_queries_come_from_standard_input_or_a_file() {
    everywhere(|place| {
        let queries = "select 1 as a; -- one; two\nselect ';' as b;\n";
        let asked = place.run_with(queries.as_bytes(), &["sql", "--json"]);
        assert_eq!((asked.code, asked.err.as_str()), (Some(0), ""), "{asked:?}");
        assert_eq!(asked.json(), [json!({"a": 1}), json!({"b": ";"})]);
        let path = place.path("queries.sql");
        std::fs::write(&path, queries).unwrap();
        assert_eq!(
            place.run(&["sql", "-f", &path, "--json"]).json(),
            asked.json()
        );
        assert_eq!(place.run_with(b" -- nothing\n", &["sql"]).code, Some(2));
    });
}

#[test]
fn a_mistake_is_told_and_what_would_change_something_is_refused() {
    everywhere(|place| {
        let err = place.fails(1, &["sql", "selec 1"]);
        assert!(err.starts_with("error: "), "{err}");
        let err = place.fails(1, &["sql", "select * from absent"]);
        assert!(err.contains("absent"), "{err}");
        place.ok(&["put", &data("airlines.csv"), "--quiet"]);
        let refused = place.run(&["sql", "delete from airlines"]);
        assert!(matches!(refused.code, Some(1 | 2)), "{refused:?}");
        assert_eq!(place.json(&["get", "airlines"]).len(), 16);
    });
}

#[test]
fn an_empty_result_has_columns() {
    let place = Place::store();
    place.ok(&["put", &data("airlines.csv"), "--quiet"]);
    let none = "select * from airlines where carrier = 'none'";
    assert_eq!(place.ok(&["sql", none]), "carrier,name\n");
    assert_eq!(place.ok(&["sql", none, "--json"]), "");
    let table = place.ok(&["sql", none, "--format", "table"]);
    assert!(
        table.contains("carrier") && table.lines().count() == 5,
        "{table}"
    );
}

#[test]
fn a_slash_behind_a_bucket_is_taken_for_columns_and_told_as_a_dot_in_sql() {
    everywhere(|place| {
        let rows = b"t,n\n2013-01-01 05:00,1\n";
        let put = [
            "put",
            "-",
            "--name",
            "nyc/my-frame",
            "--index",
            "t",
            "--quiet",
        ];
        let put = place.run_with(rows, &put);
        assert_eq!(put.code, Some(0), "{put:?}");
        for sql in [
            "select * from nyc/my-frame",
            "select *\nfrom nyc/my-frame x where n > 0",
            "select * from 'nyc/my-frame'",
            "select * from \"nyc/my-frame\" x",
        ] {
            let err = place.fails(1, &["sql", sql]);
            let meant = "in SQL a bucket stands before a dot: nyc.\"my-frame\"";
            assert!(err.contains(meant), "{sql}: {err}");
            assert!(
                err.contains("(at line ") && !err.contains("Line:"),
                "{sql}: {err}"
            );
        }
        place.ok(&["sql", "select * from nyc.\"my-frame\""]);
        for column in ["nyc/my-frame.n", "nyc.my-frame.n"] {
            let rows = place.json(&["columns", column]);
            assert_eq!(rows[0][column], 1, "{rows:?}");
        }
        let of_frame = ["columns", "n", "--frames", "nyc/my-*"];
        assert_eq!(place.json(&of_frame)[0]["n"], 1);
    });
}
