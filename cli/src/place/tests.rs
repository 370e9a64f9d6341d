//! What comes before what, and which server gets which token.

use std::path::Path;

use super::*;

fn settled(args: PlaceArgs, variables: &[(&str, &str)]) -> Result<Place, Failure> {
    Place::settle(&args, |name| {
        let found = variables.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| (*value).to_owned())
    })
}

fn config(text: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    file
}

fn with(path: &Path) -> PlaceArgs {
    PlaceArgs {
        config: Some(path.to_owned()),
        ..PlaceArgs::default()
    }
}

const LAB: &str = r#"
default = "lab"
[profiles.lab]
server = "grpc+tls://lab"
token = "lab token"
ca = "/lab.pem"
bucket = "nyc"
[profiles.archive]
store = "s3://archive"
"#;

#[test]
fn a_flag_beats_the_environment_which_beats_the_profile_which_beats_the_default() {
    let nothing = settled(PlaceArgs::default(), &[]).unwrap();
    assert_eq!(nothing.at, At::Server(DEFAULT_SERVER.to_owned()));

    let file = config(LAB);
    let profile = settled(with(file.path()), &[]).unwrap();
    assert_eq!(profile.at, At::Server("grpc+tls://lab".to_owned()));

    let variables = [("SHOOTS_STORE", "/store")];
    let environment = settled(with(file.path()), &variables).unwrap();
    assert_eq!(environment.at, At::Store("/store".to_owned()));

    let flag = PlaceArgs {
        server: Some("grpc://flag".to_owned()),
        ..with(file.path())
    };
    let flag = settled(flag, &variables).unwrap();
    assert_eq!(flag.at, At::Server("grpc://flag".to_owned()));

    let named = PlaceArgs {
        profile: Some("archive".to_owned()),
        ..with(file.path())
    };
    let named = settled(named, &[("SHOOTS_URL", "grpc://environment")]).unwrap();
    assert_eq!(named.at, At::Store("s3://archive".to_owned()));
}

#[test]
fn a_profiles_token_goes_to_its_own_server_only() {
    let file = config(LAB);
    let own = settled(with(file.path()), &[]).unwrap();
    assert_eq!(own.token, Some(Secret::read("lab token").unwrap()));
    assert_eq!(own.ca.as_deref(), Some(Path::new("/lab.pem")));

    let other = settled(with(file.path()), &[("SHOOTS_URL", "grpc+tls://other")]).unwrap();
    assert_eq!((other.token, other.ca), (None, None));
    assert_eq!(other.bucket.as_deref(), Some("nyc"));

    let given = [("SHOOTS_URL", "grpc+tls://other"), ("SHOOTS_TOKEN", "mine")];
    let given = settled(with(file.path()), &given).unwrap();
    assert_eq!(given.token, Some(Secret::read("mine").unwrap()));
}

#[cfg(unix)]
#[test]
fn a_token_in_a_file_that_others_can_read_is_refused_without_showing_it() {
    use std::os::unix::fs::PermissionsExt;

    let file = config(LAB);
    let open = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(file.path(), open).unwrap();
    let failure = settled(with(file.path()), &[]).unwrap_err().to_string();
    assert!(failure.contains("chmod 600"), "{failure}");
    assert!(!failure.contains("lab token"), "{failure}");
}

#[test]
fn mistakes_in_the_file_are_told_by_line_and_without_secrets() {
    for (text, said) in [
        ("[profiles.a]\nserver = 1\ntoken = \"hush\"", "line 2"),
        ("[profiles.a]\ntoken = \"hush\"\nserve = \"x\"", "serve"),
        (
            "[profiles.a]\nserver = \"x\"\nstore = \"y\"",
            "leave one of them out",
        ),
        (
            "[profile.a]\nserver = \"x\"",
            "line 1: `profile` is neither",
        ),
        ("\nprofiles = 1", "line 2: `profiles` holds tables"),
        ("default = 1", "line 1"),
        ("[profiles.a", "line 1"),
    ] {
        let file = config(text);
        let chosen = PlaceArgs {
            profile: Some("a".to_owned()),
            ..with(file.path())
        };
        let failure = settled(chosen, &[]).unwrap_err().to_string();
        assert!(failure.contains(said), "{failure}");
        assert!(!failure.contains("hush"), "{failure}");
    }
    let file = config(LAB);
    let unknown = PlaceArgs {
        profile: Some("nowhere".to_owned()),
        ..with(file.path())
    };
    let failure = settled(unknown, &[]).unwrap_err().to_string();
    assert!(failure.contains("archive, lab"), "{failure}");
}

#[test]
fn a_profile_with_a_fault_stops_only_what_uses_it_and_is_listed_with_it() {
    let text = "default = \"good\"\n[profiles.good]\nserver = \"grpc://good\"\n\
                [profiles.bad]\nstor = \"x\"\ntoken = \"hush\"\n[profiles.none]\n";
    let file = config(text);
    let good = settled(with(file.path()), &[]).unwrap();
    assert_eq!(good.at, At::Server("grpc://good".to_owned()));
    let bad = PlaceArgs {
        profile: Some("bad".to_owned()),
        ..with(file.path())
    };
    let fault = settled(bad, &[]).unwrap_err().to_string();
    assert!(
        fault.contains("line 5") && fault.contains("stor"),
        "{fault}"
    );

    let listed = profiles(&with(file.path()), |_| None).unwrap();
    let told: Vec<_> = listed
        .iter()
        .map(|profile| {
            (
                profile.name.as_str(),
                profile.applies,
                profile.place.as_deref(),
            )
        })
        .collect();
    let expected = [
        ("bad", false, None),
        ("good", true, Some("grpc://good")),
        ("none", false, None),
    ];
    assert_eq!(told, expected);
    assert_eq!(listed[0].problem.as_deref(), Some(fault.as_str()));
    assert_eq!((&listed[1].problem, &listed[2].problem), (&None, &None));
}

#[test]
fn paths_in_a_profile_begin_where_the_file_is() {
    let text = "default = \"a\"\n[profiles.a]\nstore = \"frames/store\"\nca = \"lab.pem\"\ntoken = \"file:token\"\n\
                [profiles.b]\nstore = \"s3://b/c\"\n[profiles.c]\nstore = \"/frames\"\n";
    let file = config(text);
    let folder = file.path().parent().unwrap();
    let found = settled(with(file.path()), &[]).unwrap();
    let store = folder.join("frames/store").to_str().unwrap().to_owned();
    assert_eq!(found.at, At::Store(store));
    assert_eq!(found.ca, Some(folder.join("lab.pem")));
    let token = format!("file:{}", folder.join("token").display());
    assert_eq!(format!("{:?}", found.token.unwrap()), token);
    for (profile, store) in [("b", "s3://b/c"), ("c", "/frames")] {
        let args = PlaceArgs {
            profile: Some(profile.to_owned()),
            ..with(file.path())
        };
        assert_eq!(settled(args, &[]).unwrap().at, At::Store(store.to_owned()));
    }
}
