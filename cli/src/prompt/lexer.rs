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
        let before = inside;
        inside = step(inside, c, &mut characters);
        let plain = before == In::Plain && matches!(inside, In::Plain | In::Quotes(_));
        if plain && !c.is_whitespace() && !matches!(c, '*' | '/') {
            return false;
        }
    }
    true
}

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
        let next = characters.peek().copied();
        let before = inside;
        inside = step(inside, c, &mut characters);
        // What begins or ends a comment has two characters.
        if characters.peek().copied() != next
            && let (Some(second), true) = (
                next,
                before != inside || matches!(inside, In::BlockComment(_)),
            )
        {
            statement.push(second);
        }
    }
    (found, statement, inside)
}

/// Where the reader is after a character; takes the second one of a pair as well.
fn step(inside: In, c: char, rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> In {
    let next = rest.peek().copied();
    match (inside, c, next) {
        (In::Plain, '\'' | '"' | '`', _) => In::Quotes(c),
        (In::Plain, '-', Some('-')) => {
            rest.next();
            In::LineComment
        }
        (In::Plain, '/', Some('*')) => {
            rest.next();
            In::BlockComment(1)
        }
        (In::Quotes(quote), c, _) if c == quote => In::Plain,
        (In::LineComment, '\n', _) => In::Plain,
        (In::BlockComment(depth), '/', Some('*')) => {
            rest.next();
            In::BlockComment(depth + 1)
        }
        (In::BlockComment(depth), '*', Some('/')) => {
            rest.next();
            match depth {
                1 => In::Plain,
                deeper => In::BlockComment(deeper - 1),
            }
        }
        _ => inside,
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
