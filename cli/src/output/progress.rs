//! How far something has come: a bar on a terminal, nothing elsewhere.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// How often a bar without news shows that it is alive.
const TICK: Duration = Duration::from_millis(120);

/// How far something has come. It goes away when it is dropped.
#[derive(Clone)]
pub(crate) struct Progress(ProgressBar);

impl Progress {
    pub(super) fn new(shown: bool, what: &str, length: Option<u64>) -> Self {
        if !shown {
            return Self(ProgressBar::hidden());
        }
        let bar = ProgressBar::with_draw_target(length, ProgressDrawTarget::stderr());
        let template = match length {
            Some(_) => "{msg} {bar:30} {percent:>3}% {binary_bytes_per_sec}, {eta} left",
            None => "{msg} {spinner}",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_message(what.to_owned());
        bar.enable_steady_tick(TICK);
        Self(bar)
    }

    /// The same for things that are counted and have no size.
    pub(crate) fn of_rows(self) -> Self {
        let template = match self.0.length() {
            Some(_) => "{msg} {bar:30} {human_pos} of {human_len} rows",
            None => "{msg} {spinner} {human_pos} rows",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.0.set_style(style);
        }
        self
    }

    /// So much has been done.
    pub(crate) fn set(&self, done: u64) {
        self.0.set_position(done);
    }

    /// So much more has been done.
    pub(crate) fn add(&self, more: u64) {
        self.0.inc(more);
    }

    /// Says what is being done.
    pub(crate) fn say(&self, what: String) {
        self.0.set_message(what);
    }

    /// Takes it away.
    pub(crate) fn end(&self) {
        self.0.finish_and_clear();
    }
}
