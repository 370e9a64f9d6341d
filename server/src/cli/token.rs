//! `shoots-server token`: issues a token that calls are let in with.
//!
//! The secret comes from the settings that the server itself is started with. The token is all that is printed
//! on standard output; the id by which it can be called back is told beside it.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::{Arg, ArgAction, ArgGroup, ArgMatches, Command};

use super::{CommandLineError, config_argument, setting_argument};
use crate::access::{BucketPattern, Grants, Wish, issue, present};
use crate::config::{Config, ConfigError, SETTINGS};

/// What the subcommand is called.
pub(super) const TOKEN: &str = "token";
const ADMIN: &str = "admin";
const READ: &str = "read";
const WRITE: &str = "write";
const SUBJECT: &str = "subject";
const EXPIRES: &str = "expires";
/// The settings that matter to a token.
const OWN_SETTINGS: &[&str] = &["secret", "secret_file"];

/// The longest time that a token is good for, in seconds: a hundred years. Later dates are beyond what some readers of
/// tokens can express, and are never what was meant.
const LONGEST: u64 = 36_525 * 24 * 3600;

/// What the units of a length of time are, in seconds.
const UNITS: &[(&str, u64)] = &[
    ("s", 1),
    ("m", 60),
    ("h", 3600),
    ("d", 24 * 3600),
    ("w", 7 * 24 * 3600),
];

/// A token that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenOrder {
    subject: Option<String>,
    grants: Option<Grants>,
    seconds: u64,
    config: Config,
}

pub(super) fn command() -> Command {
    let pattern = |name: &'static str, help: &'static str| {
        Arg::new(name)
            .long(name)
            .value_name("PATTERN")
            .action(ArgAction::Append)
            .help(help)
    };
    let mut command = Command::new(TOKEN)
        .about("Prints a token that calls are let in with")
        .after_help(
            "The secret is that of the server's settings. In patterns `*` stands for any text; the default bucket \
             is the one with the empty name: --read '' means it alone, --read '*' every bucket.",
        )
        .arg(
            Arg::new(ADMIN)
                .long(ADMIN)
                .action(ArgAction::SetTrue)
                .conflicts_with_all([READ, WRITE])
                .help("Everything may be done with it"),
        )
        .arg(pattern(READ, "Buckets that may be read with it"))
        .arg(pattern(WRITE, "Buckets that may be written to with it, and read"))
        .group(
            ArgGroup::new("rights")
                .args([ADMIN, READ, WRITE])
                .multiple(true)
                .required(true),
        )
        .arg(
            Arg::new(SUBJECT)
                .long(SUBJECT)
                .value_name("NAME")
                .help("Who holds it; becomes the author of commits"),
        )
        .arg(
            Arg::new(EXPIRES)
                .long(EXPIRES)
                .value_name("TIME")
                .default_value("30d")
                .help("How long it is good for, such as 12h, 30d or 52w; at most 100 years"),
        )
        .arg(config_argument());
    for setting in SETTINGS.iter().filter(|s| OWN_SETTINGS.contains(&s.name)) {
        command = command.arg(setting_argument(setting, None));
    }
    command
}

/// Reads what is asked for, with the settings that apply.
pub(super) fn order(matches: &ArgMatches, config: Config) -> Result<TokenOrder, CommandLineError> {
    let patterns = |name| -> Vec<BucketPattern> {
        let texts = matches.get_many::<String>(name).unwrap_or_default();
        texts.map(BucketPattern::new).collect()
    };
    let grants = (!matches.get_flag(ADMIN)).then(|| Grants {
        read: patterns(READ),
        write: patterns(WRITE),
    });
    let subject = matches.get_one::<String>(SUBJECT).cloned();
    if subject.as_deref().is_some_and(is_no_name) {
        let problem = "must be a name without control characters, at most 200 bytes long";
        return Err(ConfigError::new("--subject", problem).into());
    }
    let expires = matches.get_one::<String>(EXPIRES);
    let seconds = expires.and_then(|text| seconds(text)).ok_or_else(|| {
        let problem = "must be a number above 0 and a unit: s, m, h, d or w, such as 30d";
        ConfigError::new("--expires", problem)
    })?;
    if seconds > LONGEST {
        let problem = "must be at most 100 years (36525d): choose a shorter time, such as 52w";
        return Err(ConfigError::new("--expires", problem).into());
    }
    Ok(TokenOrder {
        subject,
        grants,
        seconds,
        config,
    })
}

fn is_no_name(text: &str) -> bool {
    text.is_empty() || text.len() > 200 || text.chars().any(char::is_control)
}

fn seconds(text: &str) -> Option<u64> {
    let (unit, factor) = UNITS.iter().find(|(unit, _)| text.ends_with(unit))?;
    let number: u64 = text.strip_suffix(unit)?.parse().ok()?;
    Some(number.saturating_mul(*factor)).filter(|seconds| *seconds > 0)
}

impl TokenOrder {
    /// Issues the token.
    ///
    /// # Errors
    /// If there is no secret, or the file with it cannot be read.
    pub async fn fill(self) -> Result<IssuedToken, ConfigError> {
        let secret = present(&self.config).await?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let scheme = if self.config.has_tls() {
            "grpc+tls"
        } else {
            "grpc"
        };
        let id = new_id()?;
        let wish = Wish {
            id: id.clone(),
            subject: self.subject,
            grants: self.grants,
            server: format!("{scheme}://{}:{}", self.config.host, self.config.port),
            now: now.map_or(0, |now| now.as_secs()),
            seconds: self.seconds,
        };
        let token = issue(&secret, wish);
        let token = token.ok_or_else(|| {
            ConfigError::new("settings", "no token can be signed with the secret")
        })?;
        Ok(IssuedToken { token, id })
    }
}

/// A token, and what tells it from others.
#[derive(Clone)]
pub struct IssuedToken {
    /// What calls are let in with.
    pub token: String,
    /// By which it can be called back; no secret.
    pub id: String,
}

/// Says nothing of the token.
impl fmt::Debug for IssuedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IssuedToken")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

fn new_id() -> Result<String, ConfigError> {
    let random = getrandom::u64();
    let random = random.map_err(|error| {
        let problem = format!("the system gives no random numbers for the token's id: {error}");
        ConfigError::new("token", problem)
    })?;
    Ok(format!("{random:016x}"))
}

#[cfg(test)]
mod tests {
    use super::super::{Invocation, parse};
    use super::*;

    fn token(arguments: &[&str]) -> Result<TokenOrder, String> {
        let arguments = ["shoots-server", "--port=9", "token", "--secret=hunter2"]
            .iter()
            .chain(arguments);
        match parse(arguments, |_| None) {
            Ok(Invocation::Token(order)) => Ok(*order),
            Ok(other) => panic!("{other:?}"),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn rights_and_times_are_read_and_mistakes_named() {
        let order = token(&[
            "--read",
            "daily*",
            "--read=",
            "--write=raw",
            "--expires=12h",
        ])
        .unwrap();
        let grants = order.grants.unwrap();
        assert_eq!(
            grants.read,
            [BucketPattern::new("daily*"), BucketPattern::new("")]
        );
        assert_eq!(grants.write, [BucketPattern::new("raw")]);
        assert_eq!((order.seconds, order.config.port), (12 * 3600, 9));
        assert_eq!(order.config.secret, "hunter2".into());
        let order = token(&["--admin", "--subject", "ada"]).unwrap();
        assert_eq!((order.grants, order.seconds), (None, 30 * 24 * 3600));
        assert_eq!(order.subject.as_deref(), Some("ada"));
        let longest = token(&["--admin", "--expires=36525d"]).unwrap();
        assert_eq!(longest.seconds, LONGEST);
        for (arguments, named) in [
            (&[][..], "--admin"),
            (&["--admin", "--read=a"], "--read"),
            (&["--admin", "--expires=soon"], "--expires"),
            (&["--admin", "--expires=0d"], "--expires"),
            (&["--admin", "--expires=99999999999999999w"], "100 years"),
            (&["--admin", "--expires=99999999999w"], "--expires"),
            (&["--admin", "--expires=36526d"], "--expires"),
            (&["--admin", "--subject="], "--subject"),
            (&["--admin", "--port=1"], "--port"),
        ] {
            let error = token(arguments).unwrap_err();
            assert!(error.contains(named), "{error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }

    #[tokio::test]
    async fn without_a_secret_there_is_no_token() {
        let arguments = ["shoots-server", "token", "--admin"];
        let Ok(Invocation::Token(order)) = parse(arguments, |_| None) else {
            panic!("expected a token");
        };
        let error = order.fill().await.unwrap_err().to_string();
        assert!(error.contains("--secret-file"), "{error}");
        let arguments = ["shoots-server", "token", "--admin"];
        let secret = |name: &str| (name == "SHOOTS_SECRET").then(|| "hunter2".to_owned());
        let Ok(Invocation::Token(order)) = parse(arguments, secret) else {
            panic!("expected a token");
        };
        let issued = order.fill().await.unwrap();
        assert_eq!(issued.token.split('.').count(), 3);
        assert!(!format!("{issued:?}").contains(&issued.token));
    }
}
