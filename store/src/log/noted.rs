//! What the last change of rows or columns said about itself, while upkeep goes on after it.
//!
//! A tag, a compaction or an expiry is a commit, too, with a message of its own or none. To readers of the frame that
//! says nothing about the rows. So an entry that begins with such commits keeps, among the frame's properties, what
//! the last other commit before it said, and up to which version that holds: what a program left there that does not
//! know about it is then recognised as outdated.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::commit::{Commit, State};
use super::entry::Entry;

/// The property. Settings of users have other names.
const PROPERTY: &str = "noted";

/// Who made a change, and what it says about itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Noted {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) author: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) message: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Kept {
    /// The last version for which this holds, before the entry.
    through: u64,
    #[serde(flatten)]
    noted: Noted,
}

impl Noted {
    fn by(commit: &Commit) -> Self {
        Self {
            author: commit.author.clone(),
            message: commit.message.clone(),
        }
    }

    /// What the last change of rows or columns said, at a version of an entry.
    pub(crate) fn at(entry: &Entry, version: u64) -> Self {
        let until = entry.versions().filter(|(of, ..)| *of <= version);
        let changes = until.filter(|(.., commit)| !commit.operation.is_upkeep());
        if let Some((.., commit)) = changes.last() {
            return Self::by(commit);
        }
        let kept = entry.state.properties.get(PROPERTY).cloned();
        let kept: Option<Kept> = kept.and_then(|kept| serde_json::from_value(kept).ok());
        let kept = kept.filter(|kept| kept.through + 1 == entry.header.first_version);
        kept.map(|kept| kept.noted).unwrap_or_default()
    }

    /// Keeps it in the state of an entry that publishes commits from `first_version` on, if that will be asked for.
    pub(crate) fn keep(self, state: &mut State, first_version: u64, first: Option<&Commit>) {
        state.properties.remove(PROPERTY);
        let asked_for = first.is_some_and(|first| first.operation.is_upkeep());
        if !asked_for || self == Self::default() {
            return;
        }
        let through = first_version.saturating_sub(1);
        let kept = Kept {
            through,
            noted: self,
        };
        if let Ok(kept @ Value::Object(_)) = serde_json::to_value(kept) {
            state.properties.insert(PROPERTY.to_owned(), kept);
        }
    }
}
