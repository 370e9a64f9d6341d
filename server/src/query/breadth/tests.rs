//! What is refused before it is planned, and what is not.

use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::Parser;

use super::*;
use crate::query::names::Mentions;

/// Checks a statement over the frame `narrow`, which has the columns `a` and `b`, and frames `wide0` to `wide9`, which
/// have `c0` to `c4999`.
fn checked(sql: &str) -> Result<()> {
    let parsed = Parser::parse_sql(&GenericDialect {}, sql).unwrap();
    let schema = |names: &[String]| {
        let fields = names
            .iter()
            .map(|name| Field::new(name, DataType::Int8, true));
        Arc::new(Schema::new(fields.collect::<Vec<_>>()))
    };
    let wide: Vec<_> = (0..5_000).map(|n| format!("c{n}")).collect();
    let wide = schema(&wide);
    let tables = (0..10).map(|n| (vec![format!("wide{n}")], wide.clone()));
    let narrow = (vec!["narrow".to_owned()], schema(&["a".into(), "b".into()]));
    let tables: Vec<_> = tables.chain([narrow]).collect();
    let tables = tables
        .iter()
        .map(|(path, schema)| (path.as_slice(), schema.clone()));
    check(&parsed, &Known::new(&Mentions::of(&parsed), tables))
}

fn refused(sql: &str) -> String {
    checked(sql).unwrap_err().strip_backtrace()
}

fn doubling(levels: usize, join: &str) -> String {
    let doubled = (1..levels).map(|n| {
        let before = n - 1;
        format!(", t{n} as (select a.x from t{before} a {join} T{before} b)")
    });
    let doubled: String = doubled.collect();
    let last = levels - 1;
    format!("with t0 as (select 1 as x){doubled} select * from t{last}")
}

fn columns(number: usize) -> String {
    let columns: Vec<_> = (0..number).map(|n| format!("c{n}")).collect();
    columns.join(", ")
}

#[test]
fn queries_that_double_are_refused_before_they_are_many() {
    for join in ["cross join", ", ", "join lateral (select 1) l on true join"] {
        let told = refused(&doubling(24, join));
        assert!(told.contains("joins 25"), "{told}");
    }
    let told = refused(&doubling(24, "union all select b.x from"));
    assert!(
        told.contains("more than 20000 expressions and tables"),
        "{told}"
    );
    checked(&doubling(7, "cross join")).unwrap();
    let union = "with a as (select 1 union all select 2), b as (select * from a union all select * from a) select * from b";
    checked(union).unwrap();
}

#[test]
fn a_name_stands_for_what_is_nearest() {
    // The inner `t` is a table of one row, however much the outer one stands for.
    let many = " union all select 1".repeat(900);
    let inner = "select * from (with t as (select 1) select * from t, t b, t c) q";
    checked(&format!("with t as (select 1{many}) {inner}")).unwrap();
    checked("with recursive t as (select 1 as x union all select x + 1 from t where x < 9) select * from t").unwrap();
}

#[test]
fn what_is_written_in_full_may_be_long() {
    let rows = "select count(*) from f";
    checked(&format!(
        "{rows}{}",
        format!(" union all {rows}").repeat(900)
    ))
    .unwrap();
    let list = ", 1".repeat(100_000);
    checked(&format!(
        "with a as (select 1 as x) select * from a where x in (1{list})"
    ))
    .unwrap();
    let told = refused(&format!(
        "with a as (select 1 as x where 1 in (1{list})) select * from a, a b"
    ));
    assert!(told.contains("WITH queries"), "{told}");
}

#[test]
fn grouping_sets_are_counted_together() {
    let few = columns(12);
    let many = columns(13);
    checked(&format!("select 1 from f group by cube({few})")).unwrap();
    checked(&format!("select 1 from f group by rollup({many})")).unwrap();
    checked(&format!("select {many} from f group by {many}")).unwrap();
    let halves = ["grouping sets ((a), (b))"; 13].join(", ");
    for clause in [
        format!("cube({many})"),
        format!("cube({}), rollup(a, b)", columns(11)),
        format!("cube({})", columns(100)),
        halves,
    ] {
        let told = refused(&format!("select 1 from f group by {clause}"));
        assert!(told.contains("more than 4096 sets"), "{told}");
    }
}

#[test]
fn a_select_may_have_many_items_and_not_any_number() {
    checked(&format!("select {} from f", columns(10_000))).unwrap();
    let told = refused(&format!("select {} from f", columns(10_001)));
    assert!(told.contains("10001 items"), "{told}");
    let computed = |number| repeated(number, ", ", |n| format!("a + {n} as b{n}"));
    checked(&format!("select {} from narrow", computed(5_000))).unwrap();
    let told = refused(&format!("select {} from narrow", computed(5_001)));
    assert!(told.contains("computes 5001"), "{told}");
}

fn repeated(number: usize, separator: &str, part: impl Fn(usize) -> String) -> String {
    let parts: Vec<_> = (0..number).map(part).collect();
    parts.join(separator)
}

#[test]
fn a_select_joins_so_many_and_not_more() {
    let tables = |number, of: &str| repeated(number, ", ", |n| format!("{of} t{n}"));
    let subqueries = |number| {
        repeated(number, ", ", |n| {
            format!("(select max(a) from narrow n where n.b = o.b + {n})")
        })
    };
    let windows = |number| {
        repeated(number, ", ", |n| {
            format!("sum(a) over (order by b + {n}), max(a) over (order by b + {n})")
        })
    };
    let selects = |number: usize| {
        [
            format!("select 1 from {}", tables(number, "narrow")),
            format!("select 1 from {}", tables(number, "(select 1 as a)")),
            format!(
                "with t as (select 1 as a) select 1 from {}",
                tables(number, "t")
            ),
            format!("select {} from narrow o", subqueries(number - 1)),
            format!("select {} from narrow", windows(number - 1)),
            format!(
                "select 1 from (select 1 from {}) q, {}",
                tables(number / 2, "narrow"),
                tables(number - number / 2, "narrow")
            ),
        ]
    };
    for sql in selects(200) {
        checked(&sql).unwrap();
    }
    for sql in selects(201) {
        let told = refused(&sql);
        assert!(
            told.contains("joins 201 tables, subqueries and windows"),
            "{told}"
        );
    }
    // What is not joined with each other may be many.
    let rows = "(select count(*) from narrow a, narrow b)";
    checked(&repeated(300, " union all ", |_| rows.to_owned())).unwrap();
    let derived = repeated(300, " union all ", |_| format!("select * from {rows} q"));
    checked(&format!("select * from ({derived}) q")).unwrap();
}

#[test]
fn columns_of_what_is_joined_are_counted() {
    let wide = |number| repeated(number, ", ", |n| format!("wide{n}"));
    let twice = |number| {
        format!(
            "{}, {}",
            wide(number),
            repeated(number, ", ", |n| format!("wide{n} b{n}"))
        )
    };
    checked(&format!("select 1 from {}", twice(7))).unwrap();
    let told = refused(&format!("select 1 from {}", twice(8)));
    assert!(
        told.contains("joins 16 tables") && told.contains("that have 80000 columns"),
        "{told}"
    );
    let some = repeated(40, ", ", |n| format!("narrow n{n}"));
    let told = refused(&format!("select * from wide0, {some}"));
    assert!(
        told.contains("joins 41 tables") && told.contains("makes of them 5080 columns"),
        "{told}"
    );
    let narrowed = repeated(10, ", ", |n| format!("(select c0, c1 from wide{n}) t{n}"));
    checked(&format!("select * from {narrowed}")).unwrap();
    let inner = repeated(30, ", ", |n| format!("narrow n{n}"));
    let nested = format!("select * from wide0, (select wide1.* from wide1, {inner}) q");
    assert!(refused(&nested).contains("joins 32 tables"));
    assert!(refused(&format!("from wide0, {some}")).contains("makes of them 5080"));
}

#[test]
fn columns_that_are_made_are_counted() {
    let wide = |number| repeated(number, ", ", |n| format!("wide{n}"));
    checked(&format!("select * from {}", wide(2))).unwrap();
    checked("select a.*, b.* from wide0 a, wide1 b").unwrap();
    let again = format!(
        "select {} from wide0 a",
        repeated(5, ", ", |_| "a.*".to_owned())
    );
    assert!(refused(&again).contains("25000 columns"));
    let told = refused(&format!("select * from {}", wide(3)));
    assert!(told.contains("15000 columns"), "{told}");
    let union = repeated(5, " union all ", |_| "select * from wide3".to_owned());
    checked(&union).unwrap();
    assert!(refused(&format!("{union} union all select * from wide3")).contains("5000 columns"));
    assert!(
        refused("with w as (select * from wide0, wide1) select a.*, b.* from w a, w b")
            .contains("20000 columns")
    );
}

#[test]
fn names_of_columns_that_are_not_there_are_counted_where_they_are_many() {
    checked(&format!(
        "select {} from wide0",
        repeated(5_000, ", ", |n| format!("abs(c{n})"))
    ))
    .unwrap();
    checked(&format!(
        "select {} from wide0",
        repeated(200, ", ", |n| format!("z{n}"))
    ))
    .unwrap();
    for item in ["z", "wide0.z", "1 + z"] {
        let items = repeated(201, ", ", |n| format!("{item}{n}"));
        let told = refused(&format!("select {items} from wide0"));
        assert!(told.contains("names 201 columns"), "{told}");
    }
    let given = repeated(1_000, ", ", |n| format!("g{n}"));
    let named = repeated(1_000, ", ", |n| format!("c{n} as g{n}"));
    checked(&format!(
        "select {given} from (select {named}, * from wide0) q"
    ))
    .unwrap();
}

#[test]
fn branches_and_keys_are_counted() {
    let branches = |number| repeated(number, " ", |n| format!("when a = {n} then b"));
    checked(&format!("select case {} end from narrow", branches(10_000))).unwrap();
    assert!(
        refused(&format!("select case {} end from narrow", branches(10_001)))
            .contains("10001 branches")
    );
    let keys = |number| repeated(number, ", ", |n| format!("a + {n}"));
    for before in [
        "select a from narrow order by ",
        "select 1 from narrow group by ",
        "select sum(a) over (order by ",
        "select sum(a) over (partition by ",
    ] {
        let after = if before.ends_with("over (order by ") || before.ends_with("partition by ") {
            ") from narrow"
        } else {
            ""
        };
        checked(&format!("{before}{}{after}", keys(1_000))).unwrap();
        let told = refused(&format!("{before}{}{after}", keys(1_001)));
        assert!(told.contains("1001 expressions"), "{told}");
    }
}

/// Queries upon each other, each of which names the one before as `before(n)`.
fn chain(levels: usize, query: impl Fn(usize) -> String) -> String {
    let queries = (1..levels).map(|n| format!(", t{n} as ({})", query(n - 1)));
    let queries: String = queries.collect();
    let last = levels - 1;
    format!(
        "with t0 as (select a as x, b as y from narrow){queries} select x from t{last} where x > 1"
    )
}

#[test]
fn expressions_that_double_are_counted() {
    for doubled in [
        "select x + x as x from T",
        "select x * x as X from (select x from T) q",
        "select q.z as x from (select x + x from T) q(z)",
        "select \"x + x\" as x from (select x + x from T) q",
        "select x from (select 1 as x from narrow union all select x + x as y from T) q",
        "select *, 1 as one from (select x + x as x from T) q",
    ] {
        let query = |n| doubled.replace('T', &format!("t{n}"));
        checked(&chain(10, query)).unwrap();
        let told = refused(&chain(24, query));
        assert!(
            told.contains("becomes longer by more than 100000"),
            "{doubled}: {told}"
        );
    }
    let by_name = chain(30, |n| {
        format!("select x + 1 as x, y + y + x as y from t{n}")
    });
    assert!(refused(&by_name).contains("becomes longer by"));
    for honest in [
        "select x + 1 as x, y from T",
        "select x, y + x as y from (select x, 1 as y from T) q",
        "select *, x + 2 as z from (select x, y from T) q",
    ] {
        checked(&chain(24, |n| honest.replace('T', &format!("t{n}")))).unwrap();
    }
}

#[test]
fn columns_are_counted_wherever_they_come_from() {
    let row = |number| repeated(number, ", ", |n| n.to_string());
    checked(&format!("select * from (values ({})) v", row(5_000))).unwrap();
    let told = refused(&format!("select * from (values ({})) v", row(12_001)));
    assert!(told.contains("12001 columns"), "{told}");
    let compared = |number| repeated(number, " intersect ", |_| "select * from narrow".to_owned());
    checked(&compared(200)).unwrap();
    assert!(refused(&compared(202)).contains("joins 201"));
    let wide = repeated(42, " except ", |n| {
        format!("select c0 from wide{} ", n % 10)
    });
    checked(&wide).unwrap();
    let wide = repeated(5, " except ", |n| format!("select * from wide{n}"));
    checked(&wide).unwrap();
    let read = |number| repeated(number, " union all ", |_| "select c0 from wide0".to_owned());
    checked(&read(200)).unwrap();
    assert!(refused(&read(201)).contains("reads 1005000 columns"));
    let arguments = |number| repeated(number, ", ", |n| format!("'f{n}', 1"));
    checked(&format!("select named_struct({}) s", arguments(1_000))).unwrap();
    let told = refused(&format!("select named_struct({}) s", arguments(1_001)));
    assert!(told.contains("2002 arguments"), "{told}");
}

#[test]
fn windows_and_keys_are_counted_wherever_they_stand() {
    let windows = |number| repeated(number, ", ", |n| format!("sum(a) over (order by b + {n})"));
    checked(&format!("select a from narrow order by {}", windows(199))).unwrap();
    let told = refused(&format!("select a from narrow order by {}", windows(200)));
    assert!(told.contains("joins 201"), "{told}");
    let keys = |number| repeated(number, ", ", |n| format!("a + {n}"));
    for (before, after) in [
        (
            "select sum(a) over w from narrow window w as (order by ",
            ")",
        ),
        ("select distinct on (", ") a from narrow"),
    ] {
        checked(&format!("{before}{}{after}", keys(1_000))).unwrap();
        let told = refused(&format!("{before}{}{after}", keys(1_001)));
        assert!(told.contains("1001 expressions"), "{told}");
    }
    assert!(refused("select * from wide0 group by all").contains("5000 expressions"));
    let more = repeated(20, ", ", |n| format!("b + {n}"));
    let told = refused(&format!(
        "select 1 from narrow group by cube({}), {more}",
        columns(12)
    ));
    assert!(told.contains("4096 sets of columns out of 21"), "{told}");
}
