//! The table of settings in `docs/operating.md`, made from the list, and a test that it stands there.

use std::fmt::Write as _;
use std::path::Path;

use toml::Value;

use super::*;

const BEGIN: &str =
    "<!-- settings: made by `SHOOTS_WRITE_DOCS=1 cargo test --workspace --lib documented` -->\n";
const END: &str = "<!-- end of settings -->\n";

/// One line for each setting.
fn table() -> String {
    let defaults = Config::default().table().unwrap();
    let mut text = String::from("| flag | environment | default | |\n|---|---|---|---|\n");
    for setting in SETTINGS {
        let default = told(setting.name, &defaults[setting.name]);
        let (flag, variable, help) = (setting.flag, setting.variable(), setting.help);
        writeln!(text, "| `--{flag}` | `{variable}` | {default} | {help} |").unwrap();
    }
    text
}

/// A default as people read it.
fn told(name: &str, default: &Value) -> String {
    match default {
        Value::String(text) if text.is_empty() => String::new(),
        Value::Array(many) if many.is_empty() => String::new(),
        Value::Table(many) if many.is_empty() => String::new(),
        Value::String(text) => format!("`{text}`"),
        Value::Integer(bytes) if name.ends_with("_bytes") || name.ends_with("_bytes_each") => {
            let units = [(40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")];
            let unit = units.iter().find(|(shift, _)| *bytes >= 1 << shift);
            match unit {
                Some((shift, unit)) => format!("`{bytes}` ({} {unit})", bytes >> shift),
                None => format!("`{bytes}`"),
            }
        }
        other => format!("`{other}`"),
    }
}

#[test]
fn the_operators_guide_lists_every_setting() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/operating.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once(BEGIN).unwrap();
    let (listed, after) = rest.split_once(END).unwrap();
    if std::env::var_os("SHOOTS_WRITE_DOCS").is_some() {
        let text = format!("{before}{BEGIN}{}{END}{after}", table());
        std::fs::write(&path, text).unwrap();
        return;
    }
    assert_eq!(listed, table(), "write it anew as its first line says");
}
