//! A bucket goes to files and comes back.

use std::process::Stdio;

use serde_json::Value;

use crate::place::{Place, data, everywhere};

/// Everything that is said of a frame's columns and index.
fn shape(place: &Place, frame: &str) -> (Value, Value) {
    let told = place.json(&["describe", frame]).remove(0);
    (told["columns"].clone(), told["index"].clone())
}

fn filled(place: Place) -> Place {
    let types = "origin=category,hour=int8,temp=float";
    let weather = data("weather.csv");
    let put = [
        "put",
        &weather,
        "--name",
        "nyc/weather",
        "--types",
        types,
        "--null",
        "NA",
        "--index",
        "time_hour,origin",
        "--quiet",
    ];
    place.ok(&put);
    place.ok(&[
        "put",
        &data("airlines.csv"),
        "--name",
        "nyc/air lines",
        "--quiet",
    ]);
    place
}

#[test]
fn parquet_and_csv_give_back_the_frames_that_were_exported() {
    everywhere(|place| {
        let place = filled(place);
        for format in ["parquet", "csv"] {
            let folder = place.path(format);
            place.ok(&["export", &folder, "-b", "nyc", "--format", format]);
            place.ok(&["import", &folder, "-b", format]);
            for name in ["weather", "air lines"] {
                let (from, to) = (format!("nyc/{name}"), format!("{format}/{name}"));
                assert_eq!(shape(&place, &from), shape(&place, &to), "{to}");
                let rows = |frame: &str| place.ok(&["get", frame, "--format", "json"]);
                assert_eq!(rows(&from), rows(&to), "{to}");
            }
        }
    });
}

#[test]
fn frames_are_imported_to_the_last_though_nobody_reads_about_them() {
    let place = filled(Place::store());
    let folder = place.path("out");
    place.ok(&["export", &folder, "-b", "nyc"]);
    let mut command = place.command();
    command.args(["import", &folder, "-b", "copy"]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(place.json(&["ls", "-b", "copy"]).len(), 2);
}

#[test]
fn categories_that_no_row_uses_come_back_in_their_order() {
    let place = filled(Place::store());
    // The rows of one airport: the other categories are used by none of them.
    let one = ["delete-rows", "nyc/weather", "--where", "origin <> 'LGA'"];
    place.ok(&one);
    let folder = place.path("one");
    place.ok(&["export", &folder, "-b", "nyc", "--frames", "weather"]);
    place.ok(&["import", &folder, "-b", "back"]);
    let bytes = |frame: &str, file: &str| {
        let path = place.path(file);
        place.ok(&["get", frame, "-o", &path]);
        std::fs::read(path).unwrap()
    };
    let before = bytes("nyc/weather", "before.arrow");
    // The dictionary travels as text in an Arrow file.
    assert!(before.windows(9).any(|window| window == b"EWRJFKLGA"));
    assert!(
        bytes("back/weather", "after.arrow")
            .windows(9)
            .any(|window| window == b"EWRJFKLGA")
    );
}

#[test]
fn an_export_is_of_one_state_and_is_not_overwritten_by_accident() {
    let place = filled(Place::store());
    let folder = place.path("export");
    place.ok(&["snapshot", "before", "--buckets", "nyc"]);
    place.ok(&["delete-rows", "nyc/weather", "--where", "origin = 'LGA'"]);
    place.ok(&["export", &folder, "-b", "nyc", "--as-of", "snapshot:before"]);
    let err = place.fails(4, &["export", &folder, "-b", "nyc"]);
    assert!(err.contains("--overwrite"), "{err}");
    place.ok(&["import", &folder, "-b", "before", "--frames", "weather"]);
    assert_eq!(place.json(&["get", "before/weather"]).len(), 6463);
    place.fails(
        4,
        &["import", &folder, "-b", "before", "--frames", "weather"],
    );
    place.ok(&["export", &folder, "-b", "nyc", "--overwrite"]);
    place.ok(&[
        "import", &folder, "-b", "before", "--frames", "weather", "--mode", "replace",
    ]);
    assert!(place.json(&["get", "before/weather"]).len() < 6463);
    let err = place.fails(2, &["import", &place.path("nowhere")]);
    assert!(err.contains("shoots export"), "{err}");
}

#[test]
fn a_frame_that_cannot_be_read_is_named_once_the_others_are_written() {
    let place = filled(Place::store());
    let log = place.folder().join("store/nyc/weather/log");
    std::fs::write(log.join("00000000000000000001.jsonl"), "{}").unwrap();
    let folder = place.path("export");
    let outcome = place.run(&["export", &folder, "-b", "nyc"]);
    let told = "1 of 2 frames could not be written, the others were: nyc/weather: ";
    assert_eq!(outcome.code, Some(10), "{outcome:?}");
    assert!(outcome.err.contains(told), "{outcome:?}");
    assert!(outcome.out.contains("air lines"), "{outcome:?}");
    place.ok(&["import", &folder, "-b", "back"]);
    assert_eq!(place.json(&["get", "back/air lines"]).len(), 16);
    place.fails(3, &["get", "back/weather"]);
    let err = place.fails(3, &["export", &place.path("none"), "-b", "nyk"]);
    assert!(err.contains("no such bucket: nyk"), "{err}");
}

#[test]
fn what_csv_cannot_give_back_is_refused_by_name() {
    let place = Place::store();
    let path = place.path("lists.json");
    std::fs::write(&path, "{\"a\": [1, 2], \"b\": 1}\n").unwrap();
    place.ok(&["put", &path, "--quiet"]);
    let err = place.fails(11, &["export", &place.path("out"), "--format", "csv"]);
    assert!(err.contains("a (list<"), "{err}");
    place.ok(&["export", &place.path("out")]);
}
