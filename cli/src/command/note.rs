//! What a commit says about itself.

use clap::Args;
use serde_json::Value;

/// The flags that say it.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct NoteArgs {
    /// What the commit says about itself
    #[arg(short, long, value_name = "TEXT")]
    pub(crate) message: Option<String>,
    /// Who makes it, unless the server knows [env: SHOOTS_AUTHOR]
    #[arg(long, value_name = "NAME")]
    pub(crate) author: Option<String>,
    /// A fact that it carries for programs, as JSON or text; may be given several times
    #[arg(long, value_name = "KEY=VALUE", value_parser = fact)]
    pub(crate) meta: Vec<(String, Value)>,
}

fn fact(text: &str) -> Result<(String, Value), String> {
    let (key, value) = text.split_once('=').ok_or("must be KEY=VALUE")?;
    let value = serde_json::from_str(value).unwrap_or_else(|_| Value::from(value));
    Ok((key.to_owned(), value))
}

/// Lets a request say what the flags say.
macro_rules! noted {
    ($request:expr, $context:expr, $note:expr) => {{
        let mut request = $request;
        if let Some(message) = $note.message {
            request = request.message(message);
        }
        if let Some(author) = $note.author.or_else(|| $context.author.clone()) {
            request = request.author(author);
        }
        for (key, value) in $note.meta {
            request = request.metadata(key, value);
        }
        request
    }};
}

pub(crate) use noted;
