//! The arguments of a call, taken one by one as values of the type that the function expects.
//!
//! A function asks for its arguments in the order of their positions, each with the name under which it may also be
//! given, and finally that there are no others ([`Arguments::end`]).

use std::collections::VecDeque;

use datafusion::common::plan_err;
use datafusion::error::Result;
use serde_json::Number;
use shoots_proto::{AsOf, IndexValue};

use super::call::{Call, Constant};

/// What of a call's arguments is not taken yet.
#[derive(Debug)]
pub(crate) struct Arguments {
    function: super::Function,
    values: VecDeque<Constant>,
    named: Vec<(String, Constant)>,
}

impl Arguments {
    pub(super) fn of(call: Call) -> Self {
        Self {
            function: call.function,
            values: call.values.into(),
            named: call.named,
        }
    }

    /// The next argument, which is called `name`; `None` if it is not given, or null.
    pub(super) fn take(&mut self, name: &str) -> Result<Option<Constant>> {
        let by_name = self.named.iter().position(|(known, _)| known == name);
        let by_name = by_name.map(|at| self.named.remove(at).1);
        let value = match (self.values.pop_front(), by_name) {
            (Some(_), Some(_)) => return self.wrong(format_args!("{name} is given twice")),
            (by_position, by_name) => by_position.or(by_name),
        };
        Ok(value.filter(|value| *value != Constant::Null))
    }

    /// A text that must be there.
    pub(crate) fn text(&mut self, name: &str) -> Result<String> {
        match self.text_or_none(name)? {
            Some(text) => Ok(text),
            None => self.wrong(format_args!("{name} is missing")),
        }
    }

    pub(crate) fn text_or_none(&mut self, name: &str) -> Result<Option<String>> {
        match self.take(name)? {
            None => Ok(None),
            Some(Constant::Text(text)) => Ok(Some(text)),
            Some(other) => self.wrong(format_args!(
                "{name} must be text in single quotes, not {other}"
            )),
        }
    }

    /// All texts by position that were not taken, at least one.
    pub(crate) fn texts(&mut self) -> Result<Vec<String>> {
        let values: Vec<Constant> = self.values.drain(..).collect();
        if values.is_empty() {
            return self.wrong("a frame is missing");
        }
        values
            .into_iter()
            .map(|value| self.as_text("a frame", value))
            .collect()
    }

    /// One name or a list of them; none if it is not given.
    pub(crate) fn names(&mut self, name: &str) -> Result<Vec<String>> {
        self.texts_or_none(name).map(Option::unwrap_or_default)
    }

    /// The same for what is only given by its name.
    pub(crate) fn named_names(&mut self, name: &str) -> Result<Vec<String>> {
        let positions = std::mem::take(&mut self.values);
        let names = self.names(name);
        self.values = positions;
        names
    }

    fn as_text(&self, name: &str, value: Constant) -> Result<String> {
        match value {
            Constant::Text(text) => Ok(text),
            other => self.wrong(format_args!(
                "{name} must be text in single quotes, not {other}"
            )),
        }
    }

    /// A truth value; `usual` if it is not given.
    pub(crate) fn flag(&mut self, name: &str, usual: bool) -> Result<bool> {
        Ok(self.truth_or_none(name)?.unwrap_or(usual))
    }

    /// Texts in a list; one that stands alone is a list of it.
    pub(crate) fn texts_or_none(&mut self, name: &str) -> Result<Option<Vec<String>>> {
        let list = match self.take(name)? {
            None => return Ok(None),
            Some(Constant::List(list)) => list,
            Some(other) => vec![other],
        };
        let texts = list.iter().map(|one| match one {
            Constant::Text(text) => Ok(text.clone()),
            other => self.wrong(format_args!(
                "{name} must be a list of texts such as ['a', 'b'], without {other}"
            )),
        });
        texts.collect::<Result<_>>().map(Some)
    }

    /// Something that is true or false.
    pub(crate) fn truth_or_none(&mut self, name: &str) -> Result<Option<bool>> {
        match self.take(name)? {
            None => Ok(None),
            Some(Constant::Boolean(truth)) => Ok(Some(truth)),
            Some(other) => self.wrong(format_args!("{name} must be true or false, not {other}")),
        }
    }

    /// A number, a text, or something that is true or false.
    pub(crate) fn value_or_none(&mut self, name: &str) -> Result<Option<IndexValue>> {
        let value = match self.take(name)? {
            None => return Ok(None),
            Some(value) => value,
        };
        let read = match &value {
            Constant::Text(text) => Some(IndexValue::Text(text.clone())),
            Constant::Boolean(truth) => Some(IndexValue::Bool(*truth)),
            Constant::Number(digits) => match digits.parse::<i64>() {
                Ok(whole) => Some(IndexValue::Number(whole.into())),
                Err(_) => {
                    let number = digits.parse().ok().and_then(Number::from_f64);
                    number.map(IndexValue::Number)
                }
            },
            Constant::Null | Constant::List(_) => None,
        };
        match read {
            Some(read) => Ok(Some(read)),
            None => self.wrong(format_args!(
                "{name} must be a number, a text, true or false, not {value}"
            )),
        }
    }

    /// A state of a frame: a number is a version, a text is a tag, a time, a remote or the beginning of a commit.
    pub(crate) fn state_or_none(&mut self, name: &str) -> Result<Option<AsOf>> {
        match self.take(name)? {
            None => Ok(None),
            Some(Constant::Text(text)) => Ok(Some(AsOf::Short(text))),
            Some(Constant::Number(digits)) => match digits.parse() {
                Ok(version) => Ok(Some(AsOf::Version(version))),
                Err(_) => self.wrong(format_args!(
                    "{digits} is no version; versions are integers"
                )),
            },
            Some(other) => self.wrong(format_args!(
                "{name} must be a version such as 3 or -1, or text in single quotes: a time, a tag, a remote or a commit; \
                 not {other}"
            )),
        }
    }

    /// Refuses what no one asked for.
    pub(crate) fn end(mut self) -> Result<()> {
        if let Some(value) = self.values.pop_front() {
            return self.wrong(format_args!("{value} is one argument too many"));
        }
        match self.named.pop() {
            Some((name, _)) => self.wrong(format_args!("it has no argument {name}")),
            None => Ok(()),
        }
    }

    /// An error about the arguments, which says how the function is called.
    pub(crate) fn wrong<T>(&self, problem: impl std::fmt::Display) -> Result<T> {
        plan_err!(
            "{}: {problem}; it is used as {}",
            self.function.name(),
            self.function.usage()
        )
    }
}
