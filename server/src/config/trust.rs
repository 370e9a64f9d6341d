//! Settings about who is trusted, which go together or not at all.
//!
//! Each comes from a source of its own, so they are looked at together only once all sources were read.

use super::{Config, ConfigError};

impl Config {
    /// Whether connections are encrypted.
    pub(crate) fn has_tls(&self) -> bool {
        !self.cert_file.is_empty()
    }

    /// Whether calls need a token.
    pub(crate) fn has_secret(&self) -> bool {
        !self.secret.is_empty() || !self.secret_file.is_empty()
    }

    /// Refuses settings of which one lacks another, or has two meanings.
    pub(crate) fn check_together(&self, origin: &str) -> Result<(), ConfigError> {
        match self.misfit() {
            Some(problem) => Err(ConfigError::new(origin, problem)),
            None => Ok(()),
        }
    }

    fn misfit(&self) -> Option<String> {
        let cert = !self.cert_file.is_empty();
        let key = !self.key_file.is_empty();
        let previous = !self.previous_secret.is_empty() || !self.previous_secret_file.is_empty();
        let lacks = |given: &str, lacking: &str, what: &str| {
            let flag = lacking.replace('_', "-");
            let problem = format!("{given} is set and {lacking} is not: give {what} by --{flag}");
            Some(problem)
        };
        if cert && !key {
            return lacks("cert_file", "key_file", "the key of the certificate");
        }
        if key && !cert {
            return lacks("key_file", "cert_file", "the certificate of the key");
        }
        if !self.client_ca_file.is_empty() && !cert {
            let what = "the key of the server by --key-file, and its certificate";
            return lacks("client_ca_file", "cert_file", what);
        }
        for (secret, name) in [
            (&self.secret, "secret"),
            (&self.previous_secret, "previous_secret"),
        ] {
            let file = if name == "secret" {
                &self.secret_file
            } else {
                &self.previous_secret_file
            };
            if !secret.is_empty() && !file.is_empty() {
                return Some(format!(
                    "{name} and {name}_file are both set: leave one out"
                ));
            }
        }
        if previous && !self.has_secret() {
            return lacks("previous_secret", "secret", "the present secret");
        }
        if !self.revoked_tokens_file.is_empty() && !self.has_secret() {
            let what = "the secret that signs tokens";
            return lacks("revoked_tokens_file", "secret", what);
        }
        None
    }

    /// Refuses to take tokens over connections that everybody can read.
    pub(crate) fn check_encrypted(&self, origin: &str) -> Result<(), ConfigError> {
        if !self.has_secret() || self.has_tls() || self.allow_insecure_auth {
            return Ok(());
        }
        let problem = "secret is set without TLS, and tokens would travel where everybody can read them: name a certificate with --cert-file and its key with --key-file, or say --allow-insecure-auth if something else encrypts connections";
        Err(ConfigError::new(origin, problem))
    }
}
