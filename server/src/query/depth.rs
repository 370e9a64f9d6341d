//! How deeply a statement may nest.
//!
//! The parser bounds nesting by parentheses, but it reads `1 + 1 + 1 …`, `a :: int :: int …`, a row of joins or of
//! unions in a loop, and makes a tree of them that is as deep as the row is long. Whatever walks that tree
//! afterwards walks it by recursion, and a stack that is exhausted ends the process. So the length of such rows
//! is bounded before anything is parsed, well below what the stack of a planning thread
//! ([`super::threads`]) holds.
//!
//! The tokens tell an upper bound of the depth. Links between expressions (operators) count until a comma or the
//! next clause or branch begins another expression; links between relations (joins, set operations, further tables and
//! `WITH` queries) count for all of a query. What parentheses hold counts for what they stand in, and while they are open
//! they count themselves. Other words of SQL count a little, too, so that no operator is missed that has a word for its name.

use datafusion::error::Result;
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};

use crate::status::Failure;

/// Links in a row that a statement may have.
const MOST_LINKS: usize = 1_000;

/// What a link counts, and what another word of SQL does.
const LINK: usize = 10;
const WORD: usize = 1;

/// Refuses SQL whose tree would be too deep, naming the field that it stands in. What is no SQL at all is left to the parser.
pub(super) fn check(what: &str, field: &str, sql: &str) -> Result<(), Failure> {
    let Ok(tokens) = Tokenizer::new(&GenericDialect {}, sql).tokenize() else {
        return Ok(());
    };
    let mut levels = Levels::default();
    for token in &tokens {
        levels.take(token);
        if levels.depth() > MOST_LINKS * LINK {
            let problem = format!(
                "chains or nests more than {MOST_LINKS} operators, joins, set operations or parentheses; use IN for long lists of values, or several queries"
            );
            return Err(Failure::invalid(what, Some(field), problem));
        }
    }
    Ok(())
}

/// The levels of parentheses that a token stands in.
#[derive(Debug, Default)]
struct Levels {
    outer: Vec<Level>,
    /// The depths of the outer ones together. Adding them up for each token would take long where there are many.
    outer_depth: usize,
    innermost: Level,
}

impl Levels {
    fn depth(&self) -> usize {
        self.outer_depth + self.outer.len() * LINK + self.innermost.depth()
    }

    fn take(&mut self, token: &Token) {
        if *token == Token::LParen || is(token, Keyword::CASE) {
            self.outer_depth += self.innermost.depth();
            self.outer.push(std::mem::take(&mut self.innermost));
        } else if *token == Token::RParen || is(token, Keyword::END) {
            if let Some(outer) = self.outer.pop() {
                self.outer_depth -= outer.depth();
                let inner = std::mem::replace(&mut self.innermost, outer);
                self.innermost.expressions += inner.whole();
            }
        } else {
            self.innermost.take(token);
        }
    }
}

/// What has been chained between two parentheses.
#[derive(Debug, Default)]
struct Level {
    relations: usize,
    /// Of the expression under way.
    expressions: usize,
    /// Of the deepest expression before it.
    deepest: usize,
    clause: Clause,
}

/// Where in a query a comma stands.
#[derive(Debug, Default, PartialEq, Eq, Clone, Copy)]
enum Clause {
    /// A comma separates expressions.
    #[default]
    List,
    /// A comma adds a table or a `WITH` query.
    Relations,
}

impl Level {
    fn depth(&self) -> usize {
        self.relations + self.expressions
    }

    fn begin(&mut self, clause: Clause) {
        self.clause = clause;
        self.next_expression();
    }

    fn next_expression(&mut self) {
        self.deepest = self.deepest.max(self.expressions);
        self.expressions = 0;
    }

    /// What it counts for in what it stands in.
    fn whole(&self) -> usize {
        self.relations + self.deepest.max(self.expressions)
    }

    fn take(&mut self, token: &Token) {
        match token {
            Token::Comma if self.clause == Clause::Relations => self.relations += LINK,
            Token::Comma => self.next_expression(),
            Token::Word(word) if word.quote_style.is_none() => self.take_keyword(word.keyword),
            Token::Word(_)
            | Token::Number(..)
            | Token::Whitespace(_)
            | Token::Period
            | Token::LParen
            | Token::RParen
            | Token::SemiColon
            | Token::EOF => {}
            text if text_of(text).is_some() => {
                self.expressions += text_of(text).map_or(0, nesting) * LINK;
            }
            _ => self.expressions += LINK,
        }
    }

    fn take_keyword(&mut self, keyword: Keyword) {
        match keyword {
            Keyword::NoKeyword => {}
            Keyword::SELECT
            | Keyword::WHERE
            | Keyword::GROUP
            | Keyword::HAVING
            | Keyword::ORDER
            | Keyword::VALUES
            | Keyword::QUALIFY => self.begin(Clause::List),
            Keyword::FROM | Keyword::WITH => self.begin(Clause::Relations),
            Keyword::WHEN | Keyword::THEN | Keyword::ELSE => self.next_expression(),
            Keyword::JOIN
            | Keyword::STRAIGHT_JOIN
            | Keyword::APPLY
            | Keyword::PIVOT
            | Keyword::UNPIVOT
            | Keyword::MATCH_RECOGNIZE
            | Keyword::VIEW
            | Keyword::UNION
            | Keyword::EXCEPT
            | Keyword::MINUS
            | Keyword::INTERSECT => self.relations += LINK,
            Keyword::AND
            | Keyword::OR
            | Keyword::XOR
            | Keyword::NOT
            | Keyword::IS
            | Keyword::NOTNULL
            | Keyword::AT
            | Keyword::IN
            | Keyword::LIKE
            | Keyword::ILIKE
            | Keyword::RLIKE
            | Keyword::REGEXP
            | Keyword::MATCH
            | Keyword::MEMBER
            | Keyword::SIMILAR
            | Keyword::BETWEEN
            | Keyword::COLLATE
            | Keyword::OVERLAPS
            | Keyword::OPERATOR
            | Keyword::DIV
            | Keyword::INTERVAL
            | Keyword::PRIOR
            | Keyword::EXPLAIN
            | Keyword::DESCRIBE
            | Keyword::DESC => self.expressions += LINK,
            _ => self.expressions += WORD,
        }
    }
}

fn is(token: &Token, keyword: Keyword) -> bool {
    matches!(token, Token::Word(word) if word.quote_style.is_none() && word.keyword == keyword)
}

/// The text of a token that is one, in whichever quotes.
fn text_of(token: &Token) -> Option<&str> {
    match token {
        Token::SingleQuotedString(text)
        | Token::DoubleQuotedString(text)
        | Token::TripleSingleQuotedString(text)
        | Token::TripleDoubleQuotedString(text)
        | Token::SingleQuotedByteStringLiteral(text)
        | Token::DoubleQuotedByteStringLiteral(text)
        | Token::TripleSingleQuotedByteStringLiteral(text)
        | Token::TripleDoubleQuotedByteStringLiteral(text)
        | Token::SingleQuotedRawStringLiteral(text)
        | Token::DoubleQuotedRawStringLiteral(text)
        | Token::TripleSingleQuotedRawStringLiteral(text)
        | Token::TripleDoubleQuotedRawStringLiteral(text)
        | Token::NationalStringLiteral(text)
        | Token::EscapedStringLiteral(text)
        | Token::UnicodeStringLiteral(text) => Some(text),
        Token::DollarQuotedString(text) => Some(&text.value),
        Token::QuoteDelimitedStringLiteral(text)
        | Token::NationalQuoteDelimitedStringLiteral(text) => Some(&text.value),
        _ => None,
    }
}

/// How deeply parentheses nest in a text: `arrow_cast` reads types such as `List(List(Int8))` from one.
fn nesting(text: &str) -> usize {
    let (mut open, mut deepest) = (0_usize, 0_usize);
    for byte in text.bytes() {
        match byte {
            b'(' | b'<' | b'[' => open += 1,
            b')' | b'>' | b']' => open = open.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(open);
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(link: &str) -> String {
        link.repeat(MOST_LINKS + 1)
    }

    #[test]
    fn long_rows_are_refused_wherever_they_stand() {
        for sql in [
            format!("select 1{}", row("+1")),
            format!("select a from f where a=0{}", row(" or a=1")),
            format!("select 1{}", row("::int")),
            format!("select a{} from f", row("[1]")),
            format!("select true{}", row(" is true")),
            format!("select '{{}}'{}", row("->'a'")),
            format!("select a, b from f{}", row(" union all select a, b from f")),
            format!("select 1 from f{}", row(" cross join f")),
            format!("select 1 from f{}", row(", f")),
            format!("with a as (select 1){} select 1", row(", b as (select 1)")),
            format!("select cast(null as {}int)", row("array<")),
            format!("select arrow_cast(null, '{}Int8')", row("List(")),
            format!("select arrow_cast(null, E'{}Int8')", row("List(")),
            format!("select arrow_cast(null, $${}Int8$$)", row("List(")),
            format!("select arrow_cast(null, $a${}Int8$a$)", row("List(")),
            format!("select arrow_cast(null, N'{}Int8')", row("List(")),
            format!("select arrow_cast(null, U&'{}Int8')", row("List(")),
            format!("select arrow_cast(null, E'{}Int8')", row("List\\x28")),
            format!("select f(a){}", row("+f(a, b)")),
            format!("select 1 from (select (1{}))", row("+1")),
            format!("select 1{}", row("+ case when a then 1 end")),
            format!("{} select 1", row("explain ")),
            format!("{} select 1", row("describe ")),
            format!("select ''{}", row(" rlike ''")),
            format!("select ''{}", row(" regexp ''")),
            format!("select 1{}", row(" member of (x)")),
            format!("select 1{}", row(" minus select 1")),
            format!("select 1{}", row(" notnull")),
            format!("select 1{}", " overlay".repeat(MOST_LINKS * LINK + 1)),
            format!("select {}", row("(")),
            format!("select {}", row("case when ")),
            format!("select 1 where {}", row("exists (select 1 where ")),
            row("with a as ("),
            format!("select f(a{0}, 1){0}", "+1".repeat(MOST_LINKS * 2 / 3)),
            format!(
                "select {}1{}",
                "(".repeat(40),
                format!("{})", "+1".repeat(30)).repeat(40)
            ),
        ] {
            let refused = check("ticket", "sql", &sql).unwrap_err().to_string();
            assert!(
                refused.contains("sql") && refused.contains("IN for long lists"),
                "{refused}"
            );
        }
    }

    /// What took more than a minute where each token took as long as there were parentheses before it.
    #[test]
    fn many_parentheses_are_refused_at_the_first_that_is_too_many() {
        let mut levels = Levels::default();
        for _ in 0..4_000_000 {
            levels.take(&Token::LParen);
        }
        assert_eq!(levels.depth(), 4_000_000 * LINK);
        for _ in 0..4_000_001 {
            levels.take(&Token::RParen);
        }
        assert_eq!((levels.depth(), levels.outer_depth), (0, 0));
    }

    #[test]
    fn long_lists_are_not_rows() {
        for sql in [
            format!("select a from f where a in (-1{})", ", -1".repeat(50_000)),
            format!("select a+1{} from f", ", a+1".repeat(5_000)),
            format!("values (1, 2){}", ", (1+1, 2+2)".repeat(5_000)),
            format!(
                "select case{} end from f",
                " when a=1 then 1+1".repeat(5_000)
            ),
            format!("select 1 from f where a in ('{}')", "(x) ".repeat(5_000)),
            format!("select a from f order by a{}", ", a desc".repeat(5_000)),
            format!("select (1){}", ", (1)".repeat(5_000)),
            format!("select {}1{}", "(".repeat(900), ")".repeat(900)),
            format!("select 1{}", " + (1)".repeat(900)),
            "select 1 from a, b join c on a.x = b.x and b.y = c.y where not (a.z is null)".into(),
            "'this is no SQL".into(),
        ] {
            assert!(
                check("ticket", "sql", &sql).is_ok(),
                "{}",
                &sql[..60.min(sql.len())]
            );
        }
    }
}
