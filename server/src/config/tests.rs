//! Settings from every source, and what is said of bad ones.

use super::*;

#[test]
fn remotes_are_named_in_any_source_and_secrets_are_not_repeated() {
    let remotes = SETTINGS.iter().find(|s| s.name == "remotes").unwrap();
    let mut layers = Layers::new().unwrap();
    let file = "[remotes.origin]\nurl = 's3://a'\n[remotes.old]\nurl = 's3://b'";
    layers.lay_toml("f", file).unwrap();
    let text = "origin=grpc+tls://h;token=env:T;ca=file:/ca.pem  next=grpc://n;token=env:T;allow_insecure_token";
    layers.lay_text("--remote", remotes, text).unwrap();
    for bad in [
        "hunter2",
        "a=https://hunter2",
        "a=grpc+tls://h;token=hunter2",
        "a=grpc://h;token=env:T",
        "a=s3://b;hunter2x",
        "a=s3://x:hunter2@b",
        "../a=s3://b",
        "a=s3://b a=s3://c",
    ] {
        let error = layers.lay_text("--remote", remotes, bad).unwrap_err();
        let error = error.to_string();
        assert!(error.starts_with("--remote: "), "{error}");
        assert!(
            !error.contains("hunter2") || bad.contains("hunter2x"),
            "{error}"
        );
    }
    let config = layers.config().unwrap();
    let text = config.to_toml().unwrap();
    assert_eq!(Config::from_toml("printed", &text).unwrap(), config);
    let urls = config.remotes.iter();
    let urls: Vec<_> = urls
        .map(|(name, at)| format!("{name} {}", at.url))
        .collect();
    assert_eq!(urls, ["next grpc://n", "old s3://b", "origin grpc+tls://h"]);
}

#[test]
fn folders_are_whole_paths_with_colons_between_them() {
    let folders = SETTINGS
        .iter()
        .find(|s| s.name == "allow_file_remotes")
        .unwrap();
    let mut layers = Layers::new().unwrap();
    layers.lay_text("x", folders, "/srv/a:/srv/b").unwrap();
    let error = layers.lay_text("x", folders, "here").unwrap_err();
    assert!(error.to_string().contains("not a whole path"), "{error}");
}

#[test]
fn every_field_is_described_and_every_description_has_a_field() {
    let fields: Vec<String> = Config::default().table().unwrap().keys().cloned().collect();
    let mut described: Vec<&str> = SETTINGS.iter().map(|s| s.name).collect();
    described.sort_unstable();
    let mut fields: Vec<&str> = fields.iter().map(String::as_str).collect();
    fields.sort_unstable();
    assert_eq!(fields, described);
    for setting in SETTINGS {
        assert_eq!(setting.flag, setting.name.replace('_', "-"));
    }
}

#[test]
fn printed_settings_read_back_as_themselves() {
    let config = Config {
        host: "::1".into(),
        bucket_dir: "C:\\a \"b\"".into(),
        log_format: LogFormat::Json,
        packing: Packing::Small,
        read_only: true,
        ..Config::default()
    };
    let text = config.to_toml().unwrap();
    assert_eq!(Config::from_toml("printed", &text).unwrap(), config);
    assert_eq!(text.lines().count(), 2 * SETTINGS.len());
}

#[test]
fn unknown_keys_and_wrong_types_are_refused_by_name() {
    let error = Config::from_toml("shoots.toml", "prot = 1\n").unwrap_err();
    let error = error.to_string();
    assert!(error.starts_with("shoots.toml: "), "{error}");
    assert!(error.contains("prot"), "{error}");
    let error = Config::from_toml("shoots.toml", "port = \"x\"\n").unwrap_err();
    assert!(error.to_string().contains("port"), "{error}");
    let error = Config::from_toml("shoots.toml", "port = 70000\n").unwrap_err();
    assert!(error.to_string().contains("70000"), "{error}");
    assert!(Config::from_toml("shoots.toml", "max_message_bytes = -1\n").is_err());
}

#[test]
fn a_bound_of_nothing_is_refused_by_name_whatever_its_origin() {
    for name in [
        "max_message_bytes",
        "put_memory_bytes",
        "query_memory_bytes",
        "query_memory_bytes_each",
        "query_seconds",
        "queries_at_once",
    ] {
        let told = format!("here: {name} is 0; it must be at least 1");
        let text = format!("{name} = 0");
        let error = Config::from_toml("here", &text).unwrap_err();
        assert_eq!(error.to_string(), told);
        let mut layers = Layers::new().unwrap();
        let error = layers.lay_toml("here", &text).unwrap_err();
        assert_eq!(error.to_string(), told);
        let setting = SETTINGS.iter().find(|s| s.name == name).unwrap();
        let error = layers.lay_text("here", setting, "0").unwrap_err();
        assert_eq!(error.to_string(), told);
    }
    let none = "query_spill_bytes = 0\nshutdown_grace_seconds = 0\ncache_memory_bytes = 0";
    assert!(Config::from_toml("here", none).is_ok());
}

#[test]
fn any_time_can_be_added_to_the_present() {
    let config = Config {
        query_seconds: u64::MAX,
        shutdown_grace_seconds: i64::MAX as u64,
        ..Config::default()
    };
    let now = std::time::Instant::now();
    assert!(now.checked_add(config.query_time()).is_some());
    assert!(now.checked_add(config.shutdown_grace()).is_some());
    assert_eq!(Config::default().query_time().as_secs(), 3600);
}

#[test]
fn later_layers_win_and_bad_text_names_its_origin() {
    let port = SETTINGS.iter().find(|s| s.name == "port").unwrap();
    let read_only = SETTINGS.iter().find(|s| s.name == "read_only").unwrap();
    let mut layers = Layers::new().unwrap();
    layers
        .lay_toml("f", "port = 1\nhost = \"file\"\nread_only = true")
        .unwrap();
    layers.lay_text("SHOOTS_PORT", port, "2").unwrap();
    layers
        .lay_text("SHOOTS_READ_ONLY", read_only, "off")
        .unwrap();
    let error = layers.lay_text("--port", port, "many").unwrap_err();
    assert_eq!(error.to_string(), "--port: \"many\" is not a whole number");
    let config = layers.config().unwrap();
    assert_eq!((config.port, config.host.as_str()), (2, "file"));
    assert!(!config.read_only);
}
