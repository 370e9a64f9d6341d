//! Where frames are: a server, or a store that this process opens itself.
//!
//! What is said on the command line counts before the environment, which counts before the profile. A token, and what
//! else lets a caller in, is taken from a profile only together with its address, so that no other server gets it.

mod connect;
mod folder;
mod profile;
mod secret;

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use profile::{Config, Profile};
use secret::Secret;

use crate::failure::Failure;

/// Where servers are that nobody says otherwise of.
const DEFAULT_SERVER: &str = "grpc://localhost:8081";

/// The flags that say where frames are.
#[derive(Args, Debug, Default)]
#[command(next_help_heading = "Where the frames are")]
pub(crate) struct PlaceArgs {
    /// Address of a server, such as grpc+tls://host:8081 [env: SHOOTS_URL] [default: grpc://localhost:8081]
    #[arg(long, global = true, value_name = "URL", conflicts_with_all = ["store", "profile"])]
    server: Option<String>,
    /// A store to open without a server: a folder, s3://…, gs://…, az://… [env: SHOOTS_STORE]
    #[arg(long, global = true, value_name = "URL", conflicts_with = "profile")]
    store: Option<String>,
    /// Take all of this from a profile of the configuration file [env: SHOOTS_PROFILE]
    #[arg(long, global = true, value_name = "NAME")]
    profile: Option<String>,
    /// The configuration file [env: SHOOTS_CLI_CONFIG] [default: ~/.config/shoots/config.toml]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Token to send: itself, env:NAME, or file:PATH (others can see command lines) [env: SHOOTS_TOKEN]
    #[arg(long, global = true, value_name = "TOKEN")]
    token: Option<String>,
    /// Let the token travel unencrypted, where everybody on the way can read it
    #[arg(long, global = true)]
    allow_insecure_token: bool,
    /// PEM file with the authority that signed the server's certificate [env: SHOOTS_CA]
    #[arg(long, global = true, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// PEM file with a certificate to show the server [env: SHOOTS_CERTIFICATE]
    #[arg(long, global = true, value_name = "FILE", requires = "key")]
    certificate: Option<PathBuf>,
    /// PEM file with the key of that certificate [env: SHOOTS_KEY]
    #[arg(long, global = true, value_name = "FILE", requires = "certificate")]
    key: Option<PathBuf>,
    /// Name that the server's certificate carries, if it is not that of the address
    #[arg(long, global = true, value_name = "NAME")]
    domain: Option<String>,
    /// How long a call with one answer may take, in seconds; 0 for no limit [default: 60]
    #[arg(long, global = true, value_name = "SECONDS")]
    timeout: Option<u64>,
}

/// Where frames are, and what lets this process in.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Place {
    at: At,
    token: Option<Secret>,
    allow_insecure_token: bool,
    ca: Option<PathBuf>,
    identity: Option<(PathBuf, PathBuf)>,
    domain: Option<String>,
    timeout: Option<u64>,
    /// The bucket of frames that are named without one, if the profile says so.
    pub(crate) bucket: Option<String>,
    /// Who makes commits, if the profile says so.
    pub(crate) author: Option<String>,
}

#[derive(Debug, PartialEq, Eq)]
enum At {
    Server(String),
    Store(String),
}

impl Place {
    /// Settles where frames are; `variable` looks up the environment.
    pub(crate) fn settle(
        args: &PlaceArgs,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, Failure> {
        let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
        let (profile, at) = place(args, &variable)?;
        let (bucket, author) = (profile.bucket.clone(), profile.author.clone());
        // The profile's own credentials go nowhere but to the profile's own place.
        let own = match &at {
            Some(_) => Profile::default(),
            None => profile,
        };
        let at = match (at, &own.server, &own.store) {
            (Some(at), ..) => at,
            (None, Some(server), _) => At::Server(server.clone()),
            (None, None, Some(store)) => At::Store(store.clone()),
            (None, None, None) => At::Server(DEFAULT_SERVER.to_owned()),
        };
        let token = args.token.clone().or_else(|| variable("SHOOTS_TOKEN"));
        let token = match token {
            Some(text) => Some(Secret::read(&text)?),
            None => own.token,
        };
        let path = |given: &Option<PathBuf>, name: &str, own: Option<PathBuf>| {
            let named = || variable(name).map(PathBuf::from);
            given.clone().or_else(named).or(own)
        };
        let certificate = path(&args.certificate, "SHOOTS_CERTIFICATE", own.certificate);
        let key = path(&args.key, "SHOOTS_KEY", own.key);
        let identity = match (certificate, key) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            _ => {
                let problem =
                    "a certificate needs its key, and a key its certificate: give both or none";
                return Err(Failure::usage(problem));
            }
        };
        Ok(Self {
            at,
            token,
            allow_insecure_token: args.allow_insecure_token || own.allow_insecure_token,
            ca: path(&args.ca, "SHOOTS_CA", own.ca),
            identity,
            domain: args.domain.clone().or(own.domain),
            timeout: args.timeout.or(own.timeout_seconds),
            bucket,
            author,
        })
    }

    /// Whether this process opens the store itself.
    pub(crate) fn is_store(&self) -> bool {
        matches!(self.at, At::Store(_))
    }
}

/// The profile that applies, and the place that comes before its own, if one does.
fn place(
    args: &PlaceArgs,
    variable: &impl Fn(&str) -> Option<String>,
) -> Result<(Profile, Option<At>), Failure> {
    let flag = match (&args.server, &args.store) {
        (Some(server), _) => Some(At::Server(server.clone())),
        (None, Some(store)) => Some(At::Store(store.clone())),
        (None, None) => None,
    };
    let named = args.profile.is_some();
    let environment = || match (variable("SHOOTS_URL"), variable("SHOOTS_STORE")) {
        (Some(_), Some(_)) => Err(Failure::usage(
            "SHOOTS_URL and SHOOTS_STORE are both set; unset one of them, or give --server or --store",
        )),
        (Some(server), None) => Ok(Some(At::Server(server))),
        (None, Some(store)) => Ok(Some(At::Store(store))),
        (None, None) => Ok(None),
    };
    let at = match flag {
        Some(at) => Some(at),
        None if named => None,
        None => environment()?,
    };
    let config = config(args, variable)?;
    Ok((config.profile(chosen(args, variable).as_deref())?, at))
}

/// The configuration file that applies.
fn config(args: &PlaceArgs, variable: &impl Fn(&str) -> Option<String>) -> Result<Config, Failure> {
    let named = || variable("SHOOTS_CLI_CONFIG").map(PathBuf::from);
    match args.config.clone().or_else(named) {
        Some(path) => Config::read(&path),
        None => Config::at_home(variable),
    }
}

/// The profile that was named.
fn chosen(args: &PlaceArgs, variable: &impl Fn(&str) -> Option<String>) -> Option<String> {
    let named = || variable("SHOOTS_PROFILE");
    args.profile.clone().or_else(named)
}

/// A profile of the configuration file, without what lets callers in.
#[derive(Debug, Serialize)]
pub(crate) struct Listed {
    pub(crate) name: String,
    /// Whether it is the one that applies.
    pub(crate) applies: bool,
    /// The server or the store, if one is said.
    pub(crate) place: Option<String>,
    /// Why it cannot be used.
    pub(crate) problem: Option<String>,
}

/// The profiles of the configuration file that applies; `variable` looks up the environment.
pub(crate) fn profiles(
    args: &PlaceArgs,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Vec<Listed>, Failure> {
    let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
    let config = config(args, &variable)?;
    let chosen = chosen(args, &variable);
    let applies = chosen.as_deref().or(config.default_profile());
    let listed = config.names().map(|name| {
        let profile = config.profile(Some(name));
        let (place, problem) = match profile {
            Ok(profile) => (profile.server.or(profile.store), None),
            Err(fault) => (None, Some(fault.to_string())),
        };
        Listed {
            name: name.to_owned(),
            applies: applies == Some(name),
            place,
            problem,
        }
    });
    Ok(listed.collect())
}

#[cfg(test)]
mod tests;
