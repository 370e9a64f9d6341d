//! Where one query ends and the next begins: a `;` that is in no text, name or comment.

/// Where the reader is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum In {
    Plain,
    /// A text or a name, which ends with this character.
    Quotes(char),
    LineComment,
    BlockComment(u32),
}

/// The queries of a text, without what ends them. What is after the last `;` is one, too.
pub(crate) fn statements(text: &str) -> Vec<String> {
    let (mut found, rest, _) = split(text);
    found.push(rest);
    found.retain(|statement| !is_blank(statement));
    found
}

/// Whether the last query of a text has its end.
pub(super) fn is_complete(text: &str) -> bool {
    let (found, rest, inside) = split(text);
    !found.is_empty() && is_blank(&rest) && !matches!(inside, In::Quotes(_) | In::BlockComment(_))
}

/// Whether there is nothing but space and comments.
fn is_blank(statement: &str) -> bool {
    let mut inside = In::Plain;
    let mut characters = statement.chars().peekable();
    while let Some(c) = characters.next() {
        let (next, two) = step(inside, c, characters.peek().copied());
        let says = matches!((inside, next), (In::Plain, In::Plain | In::Quotes(_)));
        if says && !c.is_whitespace() {
            return false;
        }
        inside = next;
        if two {
            characters.next();
        }
    }
    true
}

/// The queries that end, what is after them, and where the reader is then.
fn split(text: &str) -> (Vec<String>, String, In) {
    let mut found = Vec::new();
    let mut statement = String::new();
    let mut inside = In::Plain;
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        if inside == In::Plain && c == ';' {
            found.push(std::mem::take(&mut statement));
            continue;
        }
        statement.push(c);
        let (next, two) = step(inside, c, characters.peek().copied());
        inside = next;
        if let Some(second) = characters.next_if(|_| two) {
            statement.push(second);
        }
    }
    (found, statement, inside)
}

/// Where the reader is after a character, and whether the next one belongs to it: what begins or ends a comment has
/// two.
fn step(inside: In, c: char, next: Option<char>) -> (In, bool) {
    match (inside, c, next) {
        (In::Plain, '\'' | '"' | '`', _) => (In::Quotes(c), false),
        (In::Plain, '-', Some('-')) => (In::LineComment, true),
        (In::Plain, '/', Some('*')) => (In::BlockComment(1), true),
        (In::Quotes(quote), c, _) if c == quote => (In::Plain, false),
        (In::LineComment, '\n', _) => (In::Plain, false),
        (In::BlockComment(depth), '/', Some('*')) => (In::BlockComment(depth + 1), true),
        (In::BlockComment(1), '*', Some('/')) => (In::Plain, true),
        (In::BlockComment(depth), '*', Some('/')) => (In::BlockComment(depth - 1), true),
        _ => (inside, false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_end_where_no_text_name_or_comment_is() {
        for (text, expected) in [
            ("select 1", &["select 1"][..]),
            ("select 1; select 2;", &["select 1", " select 2"]),
            ("select ';', \"a;b\";", &["select ';', \"a;b\""]),
            ("select 'it''s;'; x", &["select 'it''s;'", " x"]),
            ("select 1 -- ; no\n;2", &["select 1 -- ; no\n", "2"]),
            (
                "/* ; /* ; */ ; */ select 1;",
                &["/* ; /* ; */ ; */ select 1"],
            ),
            (" ;; -- nothing\n; /* nor here */ ", &[]),
            (
                "select 1 - 2; select 3 / 4 * 5",
                &["select 1 - 2", " select 3 / 4 * 5"],
            ),
        ] {
            assert_eq!(statements(text), expected, "{text}");
        }
    }

    #[test]
    fn a_query_is_complete_with_its_semicolon() {
        for (text, complete) in [
            ("select 1", false),
            ("select 1;", true),
            ("select 1; -- done", true),
            ("select ';", false),
            ("select 1; select", false),
            ("select 1 /* ;", false),
        ] {
            assert_eq!(is_complete(text), complete, "{text}");
        }
    }
}
