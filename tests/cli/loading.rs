//! Files become frames: types that are inferred or said, formats, standard input, and what does not fit.

use std::io::Write;

use serde_json::{Value, json};

use crate::place::{Place, data, everywhere};

fn types(place: &Place, frame: &str) -> Vec<(String, String)> {
    let told = place.json(&["describe", frame]).remove(0);
    let columns = told["columns"].as_array().unwrap().clone();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let columns = columns
        .iter()
        .map(|column| (text(&column["name"]), text(&column["type"])));
    columns.collect()
}

fn type_of(place: &Place, frame: &str, column: &str) -> String {
    let mut types = types(place, frame).into_iter();
    types.find(|(name, _)| name == column).unwrap().1
}

#[test]
fn a_csv_becomes_a_frame_with_the_types_that_are_told() {
    everywhere(|place| {
        let put = [
            "put",
            &data("weather.csv"),
            "--index",
            "time_hour,origin",
            "--explain",
        ];
        let put = place.run(&put);
        assert_eq!(put.code, Some(0), "{put:?}");
        assert!(
            put.out.starts_with("weather: version 1, 6,463 rows put ("),
            "{}",
            put.out
        );
        for inferred in [
            "origin string",
            "year int64",
            "wind_gust double",
            "time_hour timestamp[ns, tz=UTC]",
        ] {
            assert!(put.err.contains(inferred), "{inferred}: {}", put.err);
        }
        assert_eq!(type_of(&place, "weather", "wind_gust"), "double");
        let query =
            "select count(*) as n, count(wind_gust) as gusts, min(time_hour) as first from weather";
        let counted = place.json(&["sql", query]).remove(0);
        let gusts = std::fs::read_to_string(data("weather.csv")).unwrap();
        let gusts = gusts
            .lines()
            .skip(1)
            .filter(|line| line.split(',').nth(10) != Some("NA"));
        assert_eq!(counted["n"], 6463);
        assert_eq!(counted["gusts"], gusts.count());
        assert_eq!(counted["first"], "2013-01-01T06:00:00Z");
    });
}

#[test]
fn types_and_nulls_can_be_said() {
    everywhere(|place| {
        let said = "year=int16,month=int8,carrier=category,time_hour=timestamp[s, tz=UTC]";
        let put = [
            "put",
            &data("flights.csv"),
            "--types",
            said,
            "--null",
            "NA",
            "--quiet",
        ];
        let put = place.run(&put);
        assert_eq!((put.code, put.err.as_str()), (Some(0), ""), "{put:?}");
        for (column, expected) in [
            ("year", "int16"),
            ("month", "int8"),
            ("time_hour", "timestamp[s, tz=UTC]"),
            ("dep_delay", "int64"),
        ] {
            assert_eq!(type_of(&place, "flights", column), expected);
        }
        assert!(type_of(&place, "flights", "carrier").starts_with("dictionary<"));
        let missing = "select count(*) as n from flights where tailnum is null";
        let missing = place.json(&["sql", missing]).remove(0);
        assert!(missing["n"].as_i64().unwrap() > 0, "{missing}");
        let texts = "select count(*) as n from flights where tailnum = 'NA'";
        assert_eq!(place.json(&["sql", texts]), [json!({"n": 0})]);
    });
}

#[test]
fn a_value_that_does_not_fit_is_told_with_its_line_and_nothing_is_put() {
    everywhere(|place| {
        let path = place.path("odd.csv");
        std::fs::write(&path, "code,n\n00123,1\n7,x\n").unwrap();
        let err = place.fails(11, &["put", &path, "--infer-rows", "1", "--quiet"]);
        for said in [
            "line 3",
            "\"n\"",
            "\"x\" is no int64",
            "--types n=string",
            "nothing was put",
        ] {
            assert!(err.contains(said), "{said}: {err}");
        }
        place.fails(3, &["describe", "odd"]);
        place.ok(&["put", &path, "--infer-rows", "all"]);
        let rows = place.json(&["get", "odd"]);
        assert_eq!(
            rows,
            [
                json!({"code": "00123", "n": "1"}),
                json!({"code": "7", "n": "x"})
            ]
        );
    });
}

#[test]
fn every_format_gives_back_what_was_written() {
    everywhere(|place| {
        let place = place.with_weather();
        let rows = place.ok(&["get", "weather", "--format", "json"]);
        let columns = types(&place, "weather");
        for (file, exact) in [
            ("w.parquet", true),
            ("w.arrow", true),
            ("w.json", false),
            ("w.csv", true),
            ("w.csv.gz", true),
            ("w.CSV.ZST", true),
            ("w.arrow.gz", true),
        ] {
            let path = place.path(file);
            place.ok(&["get", "weather", "-o", &path]);
            let name = format!("from {file}");
            let put = place.run(&["put", &path, "--name", &name, "--index", "time_hour,origin"]);
            assert_eq!(put.code, Some(0), "{put:?}");
            if exact {
                assert_eq!(types(&place, &name), columns, "{file}");
                assert_eq!(
                    place.ok(&["get", &name, "--format", "json"]),
                    rows,
                    "{file}"
                );
            } else {
                // JSON has no times; they come back as texts unless it is said what they are.
                assert_eq!(type_of(&place, &name, "time_hour"), "string");
                let counted = place.json(&[
                    "sql",
                    &format!("select count(wind_gust) as n from \"{name}\""),
                ]);
                let expected = place.json(&["sql", "select count(wind_gust) as n from weather"]);
                assert_eq!(counted, expected);
            }
        }
    });
}

#[test]
fn standard_input_and_output_carry_every_format() {
    everywhere(|place| {
        let place = place.with_weather();
        let rows = place.ok(&["get", "weather", "--format", "json"]);
        for format in ["parquet", "arrow", "csv"] {
            let mut command = place.command();
            command.args(["get", "weather", "--format", format]);
            let bytes = command.output().unwrap();
            assert!(bytes.status.success());
            let put = place.run_with(&bytes.stdout, &["put", "-", "--name", format, "--quiet"]);
            assert_eq!(
                (put.code, put.err.as_str()),
                (Some(0), ""),
                "{format}: {put:?}"
            );
            assert_eq!(
                place.ok(&["get", format, "--format", "json"]),
                rows,
                "{format}"
            );
        }
        let unnamed = place.run_with(b"a\n1\n", &["put", "-"]);
        assert_eq!(unnamed.code, Some(2));
        assert!(unnamed.err.contains("--name"), "{}", unnamed.err);
    });
}

#[test]
fn json_is_read_as_lines_and_as_a_list_and_looked_at_to_the_end() {
    let place = Place::store();
    let lines = "{\"a\": 1, \"b\": {\"c\": [1, 2]}}\n{\"a\": 2.5, \"late\": \"x\"}\n";
    let list = format!("[{}]", lines.trim().replace('\n', ",\n  "));
    for (name, text) in [("lines", lines), ("list", list.as_str())] {
        let path = place.path(&format!("{name}.json"));
        std::fs::write(&path, text).unwrap();
        place.ok(&["put", &path]);
        let rows = place.json(&["get", name]);
        assert_eq!(rows[0]["b"]["c"], json!([1, 2]), "{name}");
        assert_eq!(
            (&rows[1]["a"], &rows[1]["late"]),
            (&json!(2.5), &json!("x")),
            "{name}"
        );
    }
}

#[test]
fn whole_numbers_of_json_are_not_rounded() {
    let place = Place::store();
    let path = place.path("large.json");
    for numbers in [
        ["1", "18446744073709551615"],
        ["0.5", "9007199254740993"],
        ["2", "123456789012345678901"],
    ] {
        let [one, other] = numbers;
        std::fs::write(&path, format!("{{\"a\": {one}}}\n{{\"a\": {other}}}\n")).unwrap();
        let refused = place.fails(11, &["put", &path]);
        for word in ["row 2", "\"a\"", other, "--types a=uint64"] {
            assert!(refused.contains(word), "{word}: {refused}");
        }
    }
    std::fs::write(&path, "{\"a\": 1}\n{\"a\": 18446744073709551615}\n").unwrap();
    place.ok(&["put", &path, "--types", "a=uint64"]);
    let rows = place.json(&["get", "large"]);
    assert_eq!(rows[1]["a"], json!(18_446_744_073_709_551_615_u64));
    std::fs::write(&path, "{\"a\": 0.5}\n{\"a\": 9007199254740992}\n").unwrap();
    place.ok(&["put", &path, "--mode", "replace"]);
    std::fs::write(&path, "{\"a\": 0.5}\n{\"a\": 9007199254740993}\n").unwrap();
    place.ok(&["put", &path, "--mode", "replace", "--types", "a=float64"]);
}

#[test]
fn a_dry_run_only_tells_the_columns() {
    let place = Place::store();
    let told = place.ok(&["put", &data("airlines.csv"), "--dry-run"]);
    assert_eq!(told, "carrier string, name string\n");
    assert_eq!(place.ok(&["ls", "--json"]), "");
}

#[test]
fn what_is_no_table_is_refused_with_words() {
    let place = Place::store();
    for (name, text, code, said) in [
        ("ragged.csv", &b"a,b\n1,2\n3\n"[..], 11, "ragged.csv"),
        ("twice.csv", b"a,a\n1,2\n", 11, "two columns \"a\""),
        ("empty.csv", b"", 11, "empty.csv"),
        ("not.parquet", b"hello", 11, "not.parquet"),
        ("not.arrow", b"hello hello hello", 11, "not.arrow"),
        ("broken.json", b"{\"a\": }", 11, "broken.json"),
        ("noise.bin", b"\x00\x01\x02", 2, "--format"),
        (
            "sheet.xlsx",
            b"PK\x03\x04\x00",
            2,
            "is a spreadsheet: save it as CSV first",
        ),
        ("flights.csv.zip", b"PK\x03\x04\x00", 2, "unzip -p"),
    ] {
        let path = place.path(name);
        std::fs::write(&path, text).unwrap();
        let err = place.fails(code, &["put", &path, "--quiet"]);
        assert!(err.contains(said), "{name}: {err}");
        assert_eq!(err.lines().count(), 1, "{name}: {err}");
    }
    let err = place.fails(2, &["put", &place.path("absent.csv")]);
    assert!(err.contains("cannot read"), "{err}");
    assert_eq!(place.ok(&["ls", "--json"]), "");
}

#[test]
fn a_byte_order_mark_a_tab_and_a_missing_heading_are_understood() {
    let place = Place::store();
    let path = place.path("marked.tsv");
    std::fs::write(&path, "\u{feff}a\tb\n1\tx;y\n").unwrap();
    place.ok(&["put", &path]);
    assert_eq!(
        place.json(&["get", "marked"]),
        [json!({"a": 1, "b": "x;y"})]
    );

    let put = place.run_with(
        b"1;2\n3;4\n",
        &[
            "put",
            "-",
            "--name",
            "bare",
            "--no-header",
            "--delimiter",
            ";",
        ],
    );
    assert_eq!(put.code, Some(0), "{put:?}");
    for (text, said) in [
        ("a;b\n1;2\n", "';'"),
        ("a\tb\n1\t2\n", "'\\t'"),
        ("a|b\n1|2\n", "'|'"),
    ] {
        let one = ["put", "-", "--name", "one", "--mode", "replace"];
        let put = place.run_with(text.as_bytes(), &one);
        let hint = format!("say --delimiter {said}\n");
        assert!(put.code == Some(0) && put.err.ends_with(&hint), "{put:?}");
    }
    let expected = json!({"column_1": 1, "column_2": 2});
    assert_eq!(place.json(&["head", "bare", "-n", "1"]), [expected]);
}

#[test]
fn what_was_inferred_is_told_shortly_unless_it_is_asked_for() {
    let place = Place::store();
    let put = place.run(&["put", &data("airlines.csv")]);
    let told = format!(
        "{}: inferred the types of 2 columns (--explain tells them, --types says otherwise)\n",
        data("airlines.csv")
    );
    assert_eq!((put.code, put.err), (Some(0), told));
}

#[test]
fn a_csv_that_joins_a_frame_has_its_types() {
    everywhere(|place| {
        let first = "t,code,n,x\n2013-01-01 05:00,00123,1,0.5\n";
        let types = "code=category,n=int16";
        let flags = ["put", "-", "--name", "f", "--index", "t"];
        let put = place.run_with(
            first.as_bytes(),
            &[&flags[..], &["--types", types]].concat(),
        );
        assert_eq!(put.code, Some(0), "{put:?}");
        let columns = self::types(&place, "f");
        assert_eq!(columns[0], ("t".to_owned(), "timestamp[ns]".to_owned()));

        let more = "t,code,n,x\n2013-01-02,7,2,3\n";
        let put = place.run_with(
            more.as_bytes(),
            &[&flags[..], &["--mode", "append"]].concat(),
        );
        assert_eq!((put.code, put.err.as_str()), (Some(0), ""), "{put:?}");
        assert_eq!(self::types(&place, "f"), columns);
        let row = place.json(&["tail", "f", "-n", "1"]).remove(0);
        assert_eq!(
            (&row["t"], &row["code"], &row["x"]),
            (&json!("2013-01-02T00:00:00"), &json!("7"), &json!(3.0))
        );

        for (row, said) in [
            (
                "2013-01-03,8,40000,3",
                "\"40000\" is no int16; the frame has that type",
            ),
            (
                "2013-01-03T00:00Z,8,4,3",
                "`t` is timestamp[ns, tz=UTC], the frame has timestamp[ns]",
            ),
        ] {
            let rows = format!("t,code,n,x\n{row}\n");
            let put = [&flags[..], &["--mode", "append"]].concat();
            let put = place.run_with(rows.as_bytes(), &put);
            assert_eq!(put.code, Some(11), "{put:?}");
            assert!(put.err.contains(said), "{said}: {}", put.err);
        }
    });
}

#[test]
fn an_answer_tells_the_rows_that_made_way_and_the_columns_that_came() {
    everywhere(|place| {
        let first = b"t,k,temp\n1,a,0\n1,b,1\n2,a,2\n3,a,3\n";
        let flags = ["put", "-", "--name", "f", "--quiet"];
        let put = |rows: &[u8], more: &[&str]| {
            let put = place.run_with(rows, &[&flags[..], more].concat());
            assert_eq!(put.code, Some(0), "{put:?}");
            put
        };
        put(first, &["--index", "t,k"]);
        let updated = put(b"t,k,temp\n1,a,10\n2,a,12\n", &["--mode", "update"]);
        assert!(
            updated
                .out
                .starts_with("f: version 2, 2 rows put in place of 3 ("),
            "{updated:?}"
        );
        let upsert = ["--mode", "upsert", "--request-id", "one", "--json"];
        for _ in 0..2 {
            let done = put(b"t,k,tmep\n3,a,13\n4,a,14\n", &upsert).json().remove(0);
            assert_eq!(
                (&done["version"], &done["rows"], &done["rows_removed"]),
                (&json!(3), &json!(2), &json!(1))
            );
            assert_eq!(done["frame_rows"], 4);
            assert_eq!(done["columns_added"], json!(["tmep"]));
        }
        let mut loud = flags[..4].to_vec();
        loud.extend(["--mode", "upsert"]);
        let put = place.run_with(b"t,k,hum\n5,a,1\n", &loud);
        assert!(
            put.err
                .contains("f has new columns: hum (if that is a mistake: shoots restore 'f' 3)"),
            "{put:?}"
        );
        let replaced = place.run_with(
            b"t\n1\n",
            &["put", "-", "--name", "f", "--mode", "replace", "--quiet"],
        );
        assert!(
            replaced.out.contains("1 row put in place of 5"),
            "{replaced:?}"
        );
    });
}

#[test]
fn compressed_files_are_unpacked_as_they_are_read() {
    let place = Place::store();
    let csv = b"a,b\n1,x\n2,y\n";
    let json = b"{\"a\": 1}\n{\"a\": 2}\n";
    let gzip = |bytes: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    for (file, bytes, frame) in [
        ("one.csv.gz", gzip(csv), "one"),
        ("two.csv.zst", zstd::encode_all(&csv[..], 1).unwrap(), "two"),
        ("three.json.gz", gzip(json), "three"),
        ("four.tsv.gz", gzip(b"a\tb\n1\tx\n2\ty\n"), "four"),
    ] {
        let path = place.path(file);
        std::fs::write(&path, bytes).unwrap();
        place.ok(&["put", &path, "--infer-rows", "all"]);
        let rows = place.json(&["get", frame, "--columns", "a"]);
        assert_eq!(rows, [json!({"a": 1}), json!({"a": 2})], "{file}");
    }
    let put = place.run_with(&gzip(csv), &["put", "-", "--name", "five", "--quiet"]);
    assert_eq!(put.code, Some(0), "{put:?}");
    let cut = &gzip(csv)[..20];
    std::fs::write(place.path("cut.csv.gz"), cut).unwrap();
    let err = place.fails(11, &["put", &place.path("cut.csv.gz")]);
    assert!(err.contains("cannot unpack"), "{err}");
}

#[test]
fn a_name_that_says_so_makes_a_compressed_file_and_parquet_is_compressed_inside() {
    let place = Place::store();
    place.ok(&["put", &data("airlines.csv"), "--quiet"]);
    for (file, magic) in [
        ("a.csv.gz", &[0x1f, 0x8b][..]),
        ("a.json.zst", &[0x28, 0xb5, 0x2f, 0xfd]),
    ] {
        let path = place.path(file);
        place.ok(&["get", "airlines", "-o", &path]);
        let bytes = std::fs::read(&path).unwrap();
        assert!(bytes.starts_with(magic), "{file}: {bytes:?}");
    }
    let plain = place.path("a.csv");
    place.ok(&["get", "airlines", "-o", &plain]);
    let mut unpacked = String::new();
    let packed = std::fs::File::open(place.path("a.csv.gz")).unwrap();
    std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(packed), &mut unpacked)
        .unwrap();
    assert_eq!(unpacked, std::fs::read_to_string(plain).unwrap());
    for file in ["a.parquet.gz", "a.gz", "a.csv.bz2"] {
        let err = place.fails(2, &["get", "airlines", "-o", &place.path(file)]);
        assert!(err.contains("must end in .parquet"), "{err}");
        assert!(!std::path::Path::new(&place.path(file)).exists(), "{file}");
    }
}

#[test]
fn a_mode_in_capitals_is_the_mode() {
    let place = Place::store();
    let put = ["put", &data("airlines.csv"), "--quiet", "--mode"];
    place.ok(&[&put[..], &["Append"]].concat());
    place.ok(&[&put[..], &["APPEND"]].concat());
    assert_eq!(place.json(&["get", "airlines"]).len(), 32);
    let err = place.fails(2, &[&put[..], &["add"]].concat());
    assert!(err.contains("`append`"), "{err}");
}

#[test]
fn a_frame_that_is_there_is_told_with_the_flag_that_helps() {
    everywhere(|place| {
        let put = ["put", &data("airlines.csv"), "--quiet"];
        place.ok(&put);
        let err = place.fails(4, &put);
        assert!(
            err.contains("frame airlines exists already: say with --mode what happens to its rows"),
            "{err}"
        );
        let err = place.fails(2, &[&put[..], &["--mode", "upsert"]].concat());
        assert!(
            err.contains("--mode: `upsert` needs an index")
                && err.contains("in `--mode replace` with `--index`"),
            "{err}"
        );
        let err = place.fails(3, &["describe", "airline"]);
        assert!(err.contains("did you mean `airlines`?"), "{err}");
    });
}
