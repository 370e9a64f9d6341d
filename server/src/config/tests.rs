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
        // A table is given one entry at a time.
        let flag = match setting.name {
            "remotes" => "remote".to_owned(),
            name => name.replace('_', "-"),
        };
        assert_eq!(setting.flag, flag);
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
fn the_settings_of_the_container_can_be_read() {
    let text = include_str!("../../../deploy/container.toml");
    let config = Config::from_toml("container.toml", text).unwrap();
    assert_eq!(config.host, "0.0.0.0");
    assert_eq!(config.port, Config::default().port);
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
        "max_batch_rows",
        "max_batch_bytes",
        "max_put_bytes",
        "max_calls",
        "max_connections",
        "header_seconds",
        "idle_seconds",
        "put_idle_seconds",
        "read_idle_seconds",
        "receive_memory_bytes",
        "put_memory_bytes",
        "query_memory_bytes",
        "query_memory_bytes_each",
        "query_seconds",
        "queries_at_once",
        "shm_unused_seconds",
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

#[test]
fn the_metrics_port_is_a_number_or_off_in_every_source() {
    let setting = SETTINGS.iter().find(|s| s.name == "metrics_port").unwrap();
    let mut layers = Layers::new().unwrap();
    layers.lay_toml("f", "metrics_port = 9464").unwrap();
    layers.lay_text("x", setting, "off").unwrap();
    for bad in ["on", "65536", "-1", ""] {
        let error = layers.lay_text("--metrics-port", setting, bad).unwrap_err();
        let error = error.to_string();
        assert!(error.starts_with("--metrics-port: "), "{error}");
        assert!(error.contains("off"), "{error}");
    }
    layers.lay_text("x", setting, "0").unwrap();
    assert_eq!(layers.config().unwrap().metrics_port, MetricsPort::Port(0));
    let text = Config::from_toml("f", "metrics_port = 'off'").unwrap();
    assert_eq!(text.metrics_port, MetricsPort::Off);
    assert!(Config::from_toml("f", "metrics_port = 70000").is_err());
}

#[test]
fn secrets_are_never_shown() {
    let config = Config {
        secret: "hunter2".into(),
        previous_secret: "hunter2 too".into(),
        ..Config::default()
    };
    let printed = config.to_toml().unwrap();
    assert!(!format!("{config:?}{printed}").contains("hunter2"));
    let error = Config::from_toml("printed", &printed).unwrap_err();
    assert!(error.to_string().contains("write it in"), "{error}");
    let read = Config::from_toml("f", "secret = 'hunter2'").unwrap();
    assert_eq!(read.secret, config.secret);
    for bad in [
        "secret = 5552368",
        "port = 1\nsecret = \"5552368",
        "secret = ['5552368']",
        "secret = '''\n5552368\n''' x",
        "secret = '5552368'\nsecret = '5552368'",
        "secrets = '5552368'",
    ] {
        let error = Config::from_toml("f", bad).unwrap_err().to_string();
        assert!(error.starts_with("f: "), "{error}");
        assert!(!error.contains("5552368"), "{error}");
    }
}

#[test]
fn secrets_come_from_every_source() {
    let setting = SETTINGS.iter().find(|s| s.name == "secret").unwrap();
    let mut layers = Layers::new().unwrap();
    layers.lay_toml("f", "secret = 'one'").unwrap();
    layers.lay_text("--secret", setting, "two").unwrap();
    layers.lay_toml("f", "previous_secret = 'one'").unwrap();
    let config = layers.config().unwrap();
    assert_eq!(config.secret, "two".into());
    assert_eq!(config.previous_secret, "one".into());
}

#[test]
fn settings_that_need_each_other_are_told_so() {
    for (text, problem) in [
        (
            "cert_file = 'a'",
            "key_file is not: give the key of the certificate by --key-file",
        ),
        ("key_file = 'a'", "--cert-file"),
        (
            "client_ca_file = 'a'",
            "by --key-file, and its certificate by --cert-file",
        ),
        (
            "revoked_tokens_file = 'a'",
            "give the secret that signs tokens by --secret",
        ),
        ("secret = 'a'\nsecret_file = 'b'", "leave one out"),
        (
            "secret = 'a'\nprevious_secret = 'a'\nprevious_secret_file = 'b'",
            "leave one out",
        ),
        ("previous_secret = 'a'", "--secret"),
    ] {
        let config = Config::from_toml("f", text).unwrap();
        let error = config.check_together("settings").unwrap_err().to_string();
        assert!(error.contains(problem), "{error}");
    }
    for (text, fits) in [
        ("secret = 'a'", false),
        ("secret_file = 'a'", false),
        ("secret = 'a'\nallow_insecure_auth = true", true),
        ("secret = 'a'\ncert_file = 'c'\nkey_file = 'k'", true),
        ("", true),
    ] {
        let config = Config::from_toml("f", text).unwrap();
        config.check_together("settings").unwrap();
        let encrypted = config.check_encrypted("settings");
        assert_eq!(encrypted.is_ok(), fits, "{text}");
        if let Err(error) = encrypted {
            assert!(
                error.to_string().contains("--allow-insecure-auth"),
                "{error}"
            );
        }
    }
}
