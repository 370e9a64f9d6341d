//! The binary's command line: which settings apply, and what else was asked for.
//!
//! Flags are made from the list of settings, so that a setting has a flag, an environment variable and a key
//! in the file by being in that list. Nothing here reads the process's own arguments or environment: both
//! are handed in, which is what makes the order of precedence testable.

mod token;

use std::ffi::OsString;

use clap::builder::styling::Styles;
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command};

pub use self::token::{IssuedToken, TokenOrder};
use crate::config::{Config, ConfigError, Layers, SETTINGS, Setting};

/// What the command line asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Invocation {
    /// Run a server with these settings.
    Serve(Box<Config>),
    /// Issue a token, print it, and leave with success.
    Token(Box<TokenOrder>),
    /// Print this text and leave with success: the help, the version, or the settings.
    Print(String),
}

/// Why the command line cannot be followed; the text is for the person who typed it.
#[derive(Debug, thiserror::Error)]
pub enum CommandLineError {
    /// A flag that does not exist, or that lacks its value.
    #[error("{0}")]
    Usage(String),
    /// A value that cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
}

const CONFIG: &str = "config";
const PRINT_CONFIG: &str = "print_config";
/// The setting of which each flag names one.
const REMOTES: &str = "remotes";

/// Reads a command line (the program's name first), with `variable` to look up the environment.
///
/// ```
/// use shoots_server::cli::{Invocation, parse};
///
/// let invocation = parse(["shoots-server", "--port", "9000"], |_| None).unwrap();
/// assert!(matches!(invocation, Invocation::Serve(config) if config.port == 9000));
/// ```
pub fn parse<A>(
    arguments: impl IntoIterator<Item = A>,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Invocation, CommandLineError>
where
    A: Into<OsString> + Clone,
{
    let matches = match command().try_get_matches_from(arguments) {
        Ok(matches) => matches,
        Err(error) if !error.use_stderr() => {
            return Ok(Invocation::Print(error.render().to_string()));
        }
        Err(error) => return Err(CommandLineError::Usage(error.render().to_string())),
    };
    let token = matches.subcommand_matches(token::TOKEN);
    let sources: Vec<&ArgMatches> = std::iter::once(&matches).chain(token).collect();
    let config = settings(&sources, &variable)?;
    if let Some(matches) = token {
        return Ok(Invocation::Token(Box::new(token::order(matches, config)?)));
    }
    if matches.get_flag(PRINT_CONFIG) {
        return Ok(Invocation::Print(config.to_toml()?));
    }
    Ok(Invocation::Serve(Box::new(config)))
}

fn settings(
    sources: &[&ArgMatches],
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Config, CommandLineError> {
    let mut layers = Layers::new()?;
    let file = sources
        .iter()
        .rev()
        .find_map(|matches| given(matches, CONFIG))
        .map(str::to_owned)
        .or_else(|| variable("SHOOTS_CONFIG"));
    if let Some(path) = file {
        let text = std::fs::read_to_string(&path).map_err(|e| ConfigError::new(&path, e))?;
        layers.lay_toml(&path, &text)?;
    }
    for setting in SETTINGS {
        let name = setting.variable();
        if let Some(text) = variable(&name) {
            layers.lay_text(&name, setting, &text)?;
        }
        for matches in sources {
            if let Some(texts) = given_often(matches, setting.name) {
                layers.lay_text(&format!("--{}", setting.flag), setting, &texts)?;
            }
        }
    }
    let config = layers.config()?;
    config.check_together("settings")?;
    Ok(config)
}

/// Whether an argument is on the command line; a subcommand has only some of them.
fn is_given(matches: &ArgMatches, name: &str) -> bool {
    matches.try_contains_id(name).is_ok_and(|there| there)
        && matches.value_source(name) == Some(ValueSource::CommandLine)
}

fn given<'a>(matches: &'a ArgMatches, name: &str) -> Option<&'a str> {
    if !is_given(matches, name) {
        return None;
    }
    matches.get_one::<String>(name).map(String::as_str)
}

/// What a flag says, or all that it says if it is one that may be given several times.
fn given_often(matches: &ArgMatches, name: &str) -> Option<String> {
    if !is_given(matches, name) {
        return None;
    }
    let texts: Vec<&str> = matches
        .get_many::<String>(name)?
        .map(String::as_str)
        .collect();
    Some(texts.join(if name == REMOTES { " " } else { ":" }))
}

fn command() -> Command {
    let defaults = Config::default().table().unwrap_or_default();
    let mut command = Command::new("shoots-server")
        .about("Keeps dataframes and serves them over Arrow Flight")
        .after_help(
            "A flag beats its environment variable, which beats the file, which beats the default.",
        )
        .version(env!("CARGO_PKG_VERSION"))
        .styles(Styles::plain())
        .subcommand(token::command())
        .arg(config_argument())
        .arg(
            Arg::new(PRINT_CONFIG)
                .long("print-config")
                .alias("print_config")
                .action(ArgAction::SetTrue)
                .help("Print the resulting settings as TOML and leave"),
        );
    for setting in SETTINGS {
        command = command.arg(setting_argument(setting, defaults.get(setting.name)));
    }
    command
}

fn config_argument() -> Arg {
    Arg::new(CONFIG)
        .long("config")
        .value_name("FILE")
        .help("TOML file with settings [env: SHOOTS_CONFIG]")
}

/// The flag of a setting.
fn setting_argument(setting: &Setting, default: Option<&toml::Value>) -> Arg {
    let mut argument = Arg::new(setting.name)
        .long(setting.flag)
        .value_name("VALUE")
        .allow_hyphen_values(true);
    if setting.flag != setting.name {
        argument = argument.alias(setting.name);
    }
    if matches!(default, Some(toml::Value::Boolean(_))) {
        argument = argument
            .num_args(0..=1)
            .require_equals(true)
            .default_missing_value("true");
    }
    if matches!(default, Some(toml::Value::Table(_) | toml::Value::Array(_))) {
        argument = argument.action(ArgAction::Append);
    }
    let default = default.map(ToString::to_string).unwrap_or_default();
    argument.help(format!(
        "{} [env: {}] [default: {}]",
        setting.help,
        setting.variable(),
        default.trim_matches('"'),
    ))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn serve(arguments: &[&str], variables: &[(&str, &str)]) -> Config {
        let arguments = std::iter::once("shoots-server").chain(arguments.iter().copied());
        match parse(arguments, lookup(variables)).unwrap() {
            Invocation::Serve(config) => *config,
            other => panic!("{other:?}"),
        }
    }

    fn refuse(arguments: &[&str], variables: &[(&str, &str)]) -> String {
        let arguments = std::iter::once("shoots-server").chain(arguments.iter().copied());
        parse(arguments, lookup(variables)).unwrap_err().to_string()
    }

    fn lookup<'a>(variables: &'a [(&str, &str)]) -> impl Fn(&str) -> Option<String> + 'a {
        move |name| {
            let found = variables.iter().find(|(n, _)| *n == name);
            found.map(|(_, value)| (*value).to_owned())
        }
    }

    #[test]
    fn without_anything_the_defaults_apply() {
        assert_eq!(serve(&[], &[]), Config::default());
    }

    #[test]
    fn flag_beats_environment_beats_file_beats_default() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        writeln!(file, "host = 'file'\nport = 1\nbucket_dir = '/file'").unwrap();
        let path = file.path().to_str().unwrap();
        let environment = [("SHOOTS_PORT", "2"), ("SHOOTS_BUCKET_DIR", "/environment")];
        let config = serve(&["--config", path, "--bucket-dir", "/flag"], &environment);
        assert_eq!(config.host, "file");
        assert_eq!(config.port, 2);
        assert_eq!(config.bucket_dir, "/flag");
        assert_eq!(config.log_level, "info");
        let variables = [("SHOOTS_CONFIG", path)];
        assert_eq!(serve(&[], &variables).host, "file");
    }

    #[test]
    fn several_remotes_and_folders_may_be_given() {
        let arguments = [
            "--remote",
            "a=s3://a",
            "--remotes=b=s3://b c=grpc://c",
            "--allow-file-remotes=/x",
            "--allow-file-remotes=/y:/z",
        ];
        let config = serve(&arguments, &[("SHOOTS_REMOTES", "a=s3://z d=s3://d")]);
        let names = config.remotes.iter();
        let names: Vec<_> = names.map(|(n, r)| format!("{n}={}", r.url)).collect();
        assert_eq!(names, ["a=s3://a", "b=s3://b", "c=grpc://c", "d=s3://d"]);
        assert_eq!(config.allow_file_remotes, ["/x", "/y", "/z"]);
    }

    #[test]
    fn flags_may_be_written_with_underscores() {
        let config = serve(
            &[
                "--bucket_dir",
                "memory://",
                "--read_only",
                "--put_memory_bytes=1_000",
            ],
            &[],
        );
        assert_eq!(config.bucket_dir, "memory://");
        assert!(config.read_only);
        assert_eq!(config.put_memory_bytes, 1000);
        assert!(!serve(&["--read-only=false"], &[("SHOOTS_READ_ONLY", "1")]).read_only);
    }

    #[test]
    fn mistakes_are_named() {
        assert!(refuse(&["--prot", "1"], &[]).contains("--prot"));
        assert!(refuse(&["--port", "x"], &[]).starts_with("--port: "));
        let error = refuse(&["--port", "65536"], &[]);
        assert!(
            error.starts_with("--port: ") && error.lines().count() == 1,
            "{error}"
        );
        assert!(refuse(&[], &[("SHOOTS_PORT", "")]).starts_with("SHOOTS_PORT: "));
        let error = refuse(&["--query-seconds", "0"], &[]);
        assert!(error.starts_with("--query-seconds: "), "{error}");
        let error = refuse(&[], &[("SHOOTS_QUERIES_AT_ONCE", "0")]);
        assert!(error.starts_with("SHOOTS_QUERIES_AT_ONCE: "), "{error}");
        let error = refuse(&["--log-format", "xml"], &[]);
        assert!(error.contains("xml") && error.contains("json"), "{error}");
        assert!(
            refuse(&["--config", "/no/such/file.toml"], &[]).starts_with("/no/such/file.toml: ")
        );
        let mut file = tempfile::NamedTempFile::new().unwrap();
        writeln!(file, "hots = 'x'").unwrap();
        let path = file.path().to_str().unwrap();
        let error = refuse(&["--config", path], &[]);
        assert!(error.starts_with(path) && error.contains("hots"), "{error}");
    }

    #[test]
    fn printing_shows_the_result_and_serves_nothing() {
        let arguments = ["shoots-server", "--print-config", "--port", "7"];
        let Invocation::Print(text) = parse(arguments, |_| None).unwrap() else {
            panic!("expected text");
        };
        let printed = Config::from_toml("printed", &text).unwrap();
        assert_eq!(
            printed,
            Config {
                port: 7,
                ..Config::default()
            }
        );
    }

    #[test]
    fn help_and_version_are_text() {
        for flag in ["--version", "--help"] {
            let Invocation::Print(text) = parse(["shoots-server", flag], |_| None).unwrap() else {
                panic!("expected text for {flag}");
            };
            assert!(text.contains("shoots-server"), "{text}");
        }
    }
}
