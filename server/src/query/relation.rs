//! Names of tables, as statements and arguments of functions give them.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    ObjectName, ObjectNamePart, TableFactor, VisitMut, VisitorMut,
};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::keywords::ALL_KEYWORDS;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer};

use super::session::DEFAULT_BUCKET;

/// One part of a name, and whether it stood in quotes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Part {
    pub(crate) text: String,
    pub(crate) quoted: bool,
}

impl Part {
    /// Whether it stands for the bucket without a name, before a frame's.
    pub(crate) fn is_default_bucket(&self) -> bool {
        self.quoted && self.text == DEFAULT_BUCKET
    }
}

/// The name of a table as a statement gives it: `frame` or `bucket.frame`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Relation(pub(crate) Vec<Part>);

impl Relation {
    /// The name as it stands in a statement; nothing for a name that is worked out.
    pub(crate) fn of(name: &ObjectName) -> Option<Self> {
        let parts = name.0.iter().map(|part| {
            part.as_ident().map(|ident| Part {
                text: ident.value.clone(),
                quoted: ident.quote_style.is_some(),
            })
        });
        parts.collect::<Option<Vec<_>>>().map(Self)
    }

    /// A name of one part, as it is.
    pub(crate) fn exact(name: &str) -> Self {
        Self::of_names([name.to_owned()])
    }

    /// A name of these parts, as they are.
    pub(crate) fn of_names(names: impl IntoIterator<Item = String>) -> Self {
        let part = |text| Part { text, quoted: true };
        Self(names.into_iter().map(part).collect())
    }

    /// A name in words, whose parts are set apart by dots.
    pub(crate) fn dotted(name: &str) -> Self {
        let parts = name.split('.').map(|part| Part {
            text: part.to_owned(),
            quoted: false,
        });
        Self(parts.collect())
    }

    /// A name in words with quotes around some of its parts, as SQL has them; `None` if there are none.
    pub(crate) fn quoted(name: &str) -> Option<Self> {
        let mut parts = Vec::new();
        let mut rest = name;
        loop {
            let (part, behind) = match rest.strip_prefix('"') {
                Some(inside) => quoted_part(inside)?,
                None => {
                    let end = rest.find('.').unwrap_or(rest.len());
                    let (text, behind) = rest.split_at(end);
                    let part = Part {
                        text: text.to_owned(),
                        quoted: false,
                    };
                    (part, behind)
                }
            };
            parts.push(part);
            match behind.strip_prefix('.') {
                Some(more) => rest = more,
                None if behind.is_empty() => break,
                None => return None,
            }
        }
        let any = parts.iter().any(|part| part.quoted);
        any.then_some(Self(parts))
    }

    /// Whether the name leaves the catalog open, or begins with this one.
    pub(crate) fn is_in(&self, catalog: &str) -> bool {
        match self.0.as_slice() {
            [first, _, _] => first.text.eq_ignore_ascii_case(catalog),
            _ => true,
        }
    }

    /// The name as it can be written in a statement, with quotes where it needs them.
    pub(crate) fn written(&self) -> String {
        let parts = self.0.iter().map(|part| match is_plain(&part.text) {
            true => part.text.clone(),
            false => format!("\"{}\"", part.text.replace('"', "\"\"")),
        });
        parts.collect::<Vec<_>>().join(".")
    }

    /// The name as one text, as it stood in the statement.
    pub(crate) fn text(&self) -> String {
        let parts: Vec<&str> = self.0.iter().map(|part| part.text.as_str()).collect();
        parts.join(".")
    }
}

/// Whether a name needs no quotes. Words that mean something in SQL get some, though not all of them need any.
fn is_plain(name: &str) -> bool {
    let begins = |c: char| c.is_ascii_alphabetic() || c == '_';
    let goes_on = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let keyword = || ALL_KEYWORDS.contains(&name.to_ascii_uppercase().as_str());
    name.starts_with(begins) && name.chars().all(goes_on) && !keyword()
}

/// What stands before the closing quote, and what behind it. Two quotes stand for one.
fn quoted_part(inside: &str) -> Option<(Part, &str)> {
    let mut text = String::new();
    let mut rest = inside;
    loop {
        let (before, behind) = rest.split_once('"')?;
        text.push_str(before);
        match behind.strip_prefix('"') {
            Some(more) => {
                text.push('"');
                rest = more;
            }
            None => return Some((Part { text, quoted: true }, behind)),
        }
    }
}

/// Says of tables in single quotes where they stand: the parser leaves that out.
pub(crate) fn place_texts(sql: &str, statement: &mut impl VisitMut) {
    let tokens = Tokenizer::new(&GenericDialect {}, sql).tokenize_with_location();
    let _ = statement.visit(&mut Texts(tokens.unwrap_or_default()));
}

struct Texts(Vec<TokenWithSpan>);

impl VisitorMut for Texts {
    type Break = ();

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        let TableFactor::Table { name, .. } = factor else {
            return ControlFlow::Continue(());
        };
        for part in &mut name.0 {
            if let ObjectNamePart::Identifier(ident) = part
                && ident.quote_style == Some('\'')
            {
                let same = |token: &&TokenWithSpan| matches!(&token.token, Token::SingleQuotedString(text) if *text == ident.value);
                if let Some(token) = self.0.iter().find(same) {
                    ident.span = token.span;
                }
            }
        }
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_words_may_have_quotes() {
        let parts = |name: &str| {
            let quoted = Relation::quoted(name)?;
            let parts = quoted.0.into_iter();
            Some(parts.map(|part| part.text).collect::<Vec<_>>())
        };
        let texts = |texts: &[&str]| Some(texts.iter().map(|text| (*text).to_owned()).collect());
        assert_eq!(parts("\"\".aa"), texts(&["", "aa"]));
        assert_eq!(parts("\"o\"\"d.d 'x\""), texts(&["o\"d.d 'x"]));
        assert_eq!(parts("nyc.\"a.b\""), texts(&["nyc", "a.b"]));
        for plain in ["a", "a.b", "a\"b", "\"a", "\"a\"b", ""] {
            assert_eq!(parts(plain), None, "{plain}");
        }
    }

    #[test]
    fn names_are_written_with_the_quotes_that_they_need() {
        let written = |names: &[&str]| {
            let names = names.iter().map(|name| (*name).to_owned());
            Relation::of_names(names).written()
        };
        assert_eq!(written(&["nyc", "Flights_2"]), "nyc.Flights_2");
        assert_eq!(written(&["", "a.b"]), "\"\".\"a.b\"");
        assert_eq!(
            written(&["2024", "say \"hi\""]),
            "\"2024\".\"say \"\"hi\"\"\""
        );
        assert_eq!(written(&["Order"]), "\"Order\"");
    }
}
