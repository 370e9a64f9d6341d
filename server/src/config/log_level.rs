//! Which lines of the log are written: a level, or directives for a filter.
//!
//! To the filter, a lone word that is no level is a target of which everything is written, and nothing of all others. Who
//! misspelt a level would have a silent log, so a target has to say its level.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// Says what is wrong with it, without the name of the setting.
pub(super) fn check(text: &str) -> Result<(), String> {
    let wrong = |part: &str| {
        format!(
            "{part:?} is no level: say off, error, warn, info, debug or trace, or targets with levels of their own, such as \
             info,shoots_server=debug"
        )
    };
    let words = text.split(',').filter(|part| !part.contains(['=', '[']));
    for word in words {
        word.parse::<LevelFilter>().map_err(|_| wrong(word))?;
    }
    match EnvFilter::try_new(text) {
        Ok(_) => Ok(()),
        Err(_) => Err(wrong(text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_and_filters_are_taken_and_words_that_are_no_level_are_not() {
        for good in [
            "",
            "off",
            "info",
            "WARN",
            "info,shoots_server=debug",
            "shoots_server=debug,info",
            "info,shoots_store=off,hyper=5",
            "[call{frame=\"a\"}]=debug,warn",
            "shoots_server[call]=trace",
        ] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for (bad, named) in [
            ("loud", "loud"),
            ("info,shoots_server", "shoots_server"),
            ("debgu,shoots_server=info", "debgu"),
            ("shoots_server=loud", "shoots_server=loud"),
            ("info;debug", "info;debug"),
            ("warn, info", " info"),
        ] {
            let problem = check(bad).unwrap_err();
            assert!(
                problem.starts_with(&format!("{named:?} is no level: say off, error, warn")),
                "{problem}"
            );
        }
    }
}
