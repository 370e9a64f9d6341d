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
//! `WITH` queries) count for all of a query. What parentheses hold counts for what they stand in.

use datafusion::error::Result;
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};

use crate::status::Failure;

/// Links in a row that a statement may have.
const DEEPEST: usize = 1_000;

/// Refuses SQL whose tree would be too deep, naming the field that it stands in. What is no SQL at all is left to the parser.
pub(super) fn check(what: &str, field: &str, sql: &str) -> Result<(), Failure> {
    let Ok(tokens) = Tokenizer::new(&GenericDialect {}, sql).tokenize() else {
        return Ok(());
    };
    let mut levels = vec![Level::default()];
    for token in &tokens {
        take(token, &mut levels);
        let depth: usize = levels.iter().map(Level::depth).sum();
        if depth > DEEPEST {
            let problem = format!(
                "chains more than {DEEPEST} operators, joins or set operations; use IN for long lists of values, or several queries"
            );
            return Err(Failure::invalid(what, Some(field), problem));
        }
    }
    Ok(())
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
}

fn take(token: &Token, levels: &mut Vec<Level>) {
    if *token == Token::LParen || is(token, Keyword::CASE) {
        levels.push(Level::default());
        return;
    }
    if (*token == Token::RParen || is(token, Keyword::END)) && levels.len() > 1 {
        let inner = levels.pop().unwrap_or_default().whole();
        if let Some(outer) = levels.last_mut() {
            outer.expressions += inner;
        }
        return;
    }
    let Some(level) = levels.last_mut() else {
        return;
    };
    match token {
        Token::Comma if level.clause == Clause::Relations => level.relations += 1,
        Token::Comma => level.next_expression(),
        Token::Word(word) if word.quote_style.is_none() => take_keyword(word.keyword, level),
        Token::SingleQuotedString(text) => level.expressions += nesting(text),
        Token::Word(_)
        | Token::Number(..)
        | Token::Whitespace(_)
        | Token::Period
        | Token::LParen
        | Token::RParen
        | Token::SemiColon
        | Token::EOF => {}
        _ => level.expressions += 1,
    }
}

fn is(token: &Token, keyword: Keyword) -> bool {
    matches!(token, Token::Word(word) if word.quote_style.is_none() && word.keyword == keyword)
}

fn take_keyword(keyword: Keyword, level: &mut Level) {
    match keyword {
        Keyword::SELECT
        | Keyword::WHERE
        | Keyword::GROUP
        | Keyword::HAVING
        | Keyword::ORDER
        | Keyword::VALUES
        | Keyword::QUALIFY => level.begin(Clause::List),
        Keyword::FROM | Keyword::WITH => level.begin(Clause::Relations),
        Keyword::WHEN | Keyword::THEN | Keyword::ELSE => level.next_expression(),
        Keyword::JOIN | Keyword::UNION | Keyword::EXCEPT | Keyword::INTERSECT => {
            level.relations += 1;
        }
        Keyword::AND
        | Keyword::OR
        | Keyword::XOR
        | Keyword::NOT
        | Keyword::IS
        | Keyword::AT
        | Keyword::IN
        | Keyword::LIKE
        | Keyword::ILIKE
        | Keyword::SIMILAR
        | Keyword::BETWEEN
        | Keyword::COLLATE
        | Keyword::OVERLAPS
        | Keyword::DIV
        | Keyword::INTERVAL => level.expressions += 1,
        _ => {}
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
        link.repeat(DEEPEST + 1)
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
            format!("select f(a){}", row("+f(a, b)")),
            format!("select 1 from (select (1{}))", row("+1")),
            format!("select 1{}", row("+ case when a then 1 end")),
            format!("select f(a{0}, 1){0}", "+1".repeat(DEEPEST * 2 / 3)),
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
