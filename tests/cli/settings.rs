//! Where the command is told where frames are, and how it says things.

use crate::place::{Place, command, data};

#[test]
fn a_profile_the_environment_and_flags_name_the_place() {
    let place = Place::store();
    place.ok(&[
        "put",
        &data("airlines.csv"),
        "--name",
        "nyc/airlines",
        "--quiet",
    ]);
    let home = place.path("home");
    std::fs::create_dir_all(format!("{home}/.config/shoots")).unwrap();
    let config = format!("{home}/.config/shoots/config.toml");
    let store = place.path("store");
    let text =
        format!("default = \"here\"\n[profiles.here]\nstore = {store:?}\nbucket = \"nyc\"\n");
    std::fs::write(&config, text).unwrap();
    let listed = |command: &mut std::process::Command| {
        let done = command.args(["ls", "--json"]).output().unwrap();
        assert!(done.status.success(), "{done:?}");
        String::from_utf8(done.stdout).unwrap()
    };
    assert!(listed(command().env("HOME", &home)).contains("airlines"));
    assert!(listed(command().env("SHOOTS_CLI_CONFIG", &config)).contains("airlines"));
    assert!(
        listed(command().args(["--config", &config, "--profile", "here"])).contains("airlines")
    );
    let environment = listed(
        command()
            .env("SHOOTS_STORE", &store)
            .env("SHOOTS_BUCKET", "nyc"),
    );
    assert!(environment.contains("airlines"));
    // The default bucket is empty.
    assert_eq!(listed(command().env("HOME", &home).args(["-b", ""])), "");

    let unknown = command()
        .args(["--config", &config, "--profile", "there", "ls"])
        .output()
        .unwrap();
    assert_eq!(unknown.status.code(), Some(2));
    let said = String::from_utf8(unknown.stderr).unwrap();
    assert!(said.contains("config.toml has here"), "{said}");
}

#[test]
fn a_token_is_not_sent_unencrypted_and_never_shown() {
    let place = Place::server();
    for arguments in [
        &["ls", "--token", "hush-hush"][..],
        &["ls", "--token", "env:SHOOTS_NOT_SET"],
    ] {
        let err = place.fails(2, arguments);
        assert!(!err.contains("hush-hush"), "{err}");
    }
    let mut command = place.command();
    let told = command
        .env("SHOOTS_TOKEN", "hush-hush")
        .args(["--help"])
        .output()
        .unwrap();
    assert!(
        !String::from_utf8(told.stdout)
            .unwrap()
            .contains("hush-hush")
    );
}

#[test]
fn colours_are_for_terminals_unless_they_are_asked_for() {
    let place = Place::store();
    place.ok(&["put", &data("airlines.csv"), "--quiet"]);
    assert!(!place.ok(&["ls"]).contains('\u{1b}'));
    assert!(place.ok(&["ls", "--color", "always"]).contains("\u{1b}[1m"));
    let mut command = place.command();
    let plain = command.env("NO_COLOR", "1").args(["ls"]).output().unwrap();
    assert!(!String::from_utf8(plain.stdout).unwrap().contains('\u{1b}'));
    let failed = place.run(&["get", "absent", "--color", "always"]);
    assert!(failed.err.contains("\u{1b}["), "{}", failed.err);
}

#[test]
fn every_shell_gets_completions_that_know_the_commands() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = command().args(["completions", shell]).output().unwrap();
        assert!(script.status.success());
        let script = String::from_utf8(script.stdout).unwrap();
        for word in ["resample", "delete-rows", "as-of"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
}

#[test]
fn help_tells_every_command_and_the_exit_codes() {
    let help = command().arg("--help").output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    for word in [
        "put",
        "get",
        "sql",
        "ls",
        "buckets",
        "describe",
        "head",
        "tail",
        "log",
        "diff",
        "tag",
        "restore",
        "rm",
        "undelete",
        "mv",
        "cp",
        "files",
        "resample",
        "combine",
        "compact",
        "expire",
        "verify",
        "remote",
        "clone",
        "fetch",
        "pull",
        "push",
        "merge",
        "export",
        "import",
        "ping",
        "shutdown",
        "completions",
        "Exit codes",
    ] {
        assert!(
            help.contains(&format!("  {word}")) || help.contains(word),
            "{word}: {help}"
        );
    }
    let none = command().output().unwrap();
    assert_eq!(none.status.code(), Some(2));
}
