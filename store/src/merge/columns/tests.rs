//! What becomes of columns when both sides change them.

use arrow_schema::TimeUnit;

use super::*;
use crate::merge::conflict::Kind;

/// A schema of columns: name, identity, type.
fn schema(columns: &[(&str, &str, DataType)]) -> SchemaRef {
    let fields = columns.iter().map(|(name, own, data_type)| {
        with_identity(&Field::new(*name, data_type.clone(), false), own)
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

const INT: DataType = DataType::Int64;

fn base() -> SchemaRef {
    schema(&[("k", "k", INT), ("a", "a", INT)])
}

fn columns() -> Columns {
    Columns::new(base(), vec!["k".to_owned()])
}

fn view<'a>(before: &'a Schema, after: &'a Schema) -> View<'a> {
    View {
        before,
        after,
        index: &[],
        same_epoch: true,
        commit: "c0ffee",
    }
}

fn told(columns: &Columns) -> Vec<(&str, &str)> {
    let fields = columns.schema().fields().iter();
    fields
        .map(|field| (field.name().as_str(), identity(field)))
        .collect()
}

fn kind(stop: Result<impl std::fmt::Debug, Stop>) -> Kind {
    match stop.unwrap_err() {
        Stop::Conflict(kind, _) => kind,
        Stop::Failed(error) => panic!("{error}"),
    }
}

#[test]
fn a_column_that_both_sides_added_is_one_and_stays_one_when_it_gets_another_name() {
    let ours = schema(&[("k", "k", INT), ("a", "a", INT), ("x", "x@2:1", INT)]);
    let theirs = schema(&[("k", "k", INT), ("a", "a", INT), ("x", "x@2:2", INT)]);
    let renamed = schema(&[("k", "k", INT), ("a", "a", INT), ("z", "x@2:1", INT)]);
    let mut columns = columns();
    columns.follow(&view(&base(), &ours)).unwrap();
    columns.follow(&view(&base(), &theirs)).unwrap();
    columns.follow(&view(&ours, &renamed)).unwrap();
    let written = columns.admit(&view(&theirs, &theirs), None).unwrap();
    assert_eq!(told(&columns), [("k", "k"), ("a", "a"), ("z", "x@2:1")]);
    assert_eq!(identity(written.field(2)), "x@2:1");
    assert_eq!(written.field(2).name(), "x");
    assert_eq!(
        columns.seen_by(&view(&theirs, &theirs)).field(2).name(),
        "x"
    );
}

#[test]
fn a_dropped_column_stays_dropped_whatever_rows_the_other_side_has_for_it() {
    let dropped = schema(&[("k", "k", INT)]);
    let mut columns = columns();
    columns.follow(&view(&base(), &dropped)).unwrap();
    columns.admit(&view(&base(), &base()), None).unwrap();
    assert_eq!(told(&columns), [("k", "k")]);
    // One of the same name that comes later is another one.
    let again = schema(&[("k", "k", INT), ("a", "a@4:1", INT)]);
    columns.follow(&view(&dropped, &again)).unwrap();
    let written = columns.admit(&view(&base(), &base()), None).unwrap();
    assert_eq!(told(&columns), [("k", "k"), ("a", "a@4:1")]);
    assert_eq!(identity(written.field(1)), "a");
}

#[test]
fn rows_under_an_older_name_lie_in_the_renamed_column() {
    let renamed = schema(&[("k", "k", INT), ("b", "a", INT)]);
    let mut columns = columns();
    columns.follow(&view(&base(), &renamed)).unwrap();
    let written = columns.admit(&view(&base(), &base()), None).unwrap();
    assert_eq!(told(&columns), [("k", "k"), ("b", "a")]);
    assert_eq!(columns.held_by(&written).fields().len(), 2);
}

#[test]
fn the_index_follows_when_its_column_gets_another_name() {
    let renamed = schema(&[("t", "k", INT), ("a", "a", INT)]);
    let mut columns = columns();
    columns.follow(&view(&base(), &renamed)).unwrap();
    assert_eq!(columns.index(), ["t"]);
    let index = ["k".to_owned()];
    let before = base();
    let theirs = View {
        index: &index,
        ..view(&before, &before)
    };
    columns.expect_index(&theirs).unwrap();
    let other = ["a".to_owned()];
    let theirs = View {
        index: &other,
        ..theirs
    };
    assert_eq!(kind(columns.expect_index(&theirs)), Kind::Index);
}

#[test]
fn types_become_those_that_hold_the_values_of_both_or_are_a_conflict() {
    let narrow = schema(&[("k", "k", INT), ("a", "a", DataType::Int32)]);
    let wide = schema(&[("k", "k", INT), ("a", "a", INT)]);
    let float = schema(&[("k", "k", INT), ("a", "a", DataType::Float64)]);
    let mut columns = Columns::new(Arc::clone(&narrow), Vec::new());
    columns.follow(&view(&narrow, &wide)).unwrap();
    columns.admit(&view(&narrow, &narrow), None).unwrap();
    assert_eq!(columns.schema().field(1).data_type(), &INT);
    assert_eq!(kind(columns.follow(&view(&narrow, &float))), Kind::Types);
}

#[test]
fn names_that_meet_are_a_conflict() {
    let renamed = schema(&[("k", "k", INT), ("x", "a", INT)]);
    let added = schema(&[("k", "k", INT), ("a", "a", INT), ("x", "x@2:1", INT)]);
    let mut one = columns();
    one.follow(&view(&base(), &renamed)).unwrap();
    assert_eq!(kind(one.follow(&view(&base(), &added))), Kind::Types);
    let mut other = columns();
    other.follow(&view(&base(), &added)).unwrap();
    assert_eq!(kind(other.follow(&view(&base(), &renamed))), Kind::Types);
}

#[test]
fn after_the_other_side_replaced_the_frame_columns_are_meant_by_their_names() {
    let replaced = schema(&[("k", "k", INT), ("b", "b", INT)]);
    let mut columns = Columns::new(replaced, vec!["k".to_owned()]);
    // What is `b` in their line was once called `a`, and has nothing to do with what `a` may be here.
    let theirs = schema(&[("k", "k", INT), ("b", "a", INT), ("c", "c", INT)]);
    let foreign = View {
        same_epoch: false,
        ..view(&theirs, &theirs)
    };
    let written = columns.admit(&foreign, None).unwrap();
    let own = [("k", "k"), ("b", "b"), ("c", "c@:c0ffee")];
    assert_eq!(told(&columns), own);
    let identities: Vec<&str> = written.fields().iter().map(|f| identity(f)).collect();
    assert_eq!(identities, ["k", "b", "c@:c0ffee"]);
    let nullable: Vec<bool> = columns
        .schema()
        .fields()
        .iter()
        .map(|f| f.is_nullable())
        .collect();
    assert_eq!(nullable, [false, false, true]);
}

#[test]
fn columns_that_an_upsert_did_not_give_hold_nothing_of_its_rows() {
    let mut columns = columns();
    let given = ["k".to_owned()];
    let written = columns
        .admit(&view(&base(), &base()), Some(&given))
        .unwrap();
    assert_eq!(columns.held_by(&written).fields().len(), 1);
    assert!(columns.schema().field(1).is_nullable());
}

#[test]
fn nested_values_may_be_null_where_one_side_has_them_so() {
    let list = |nullable| DataType::List(Arc::new(Field::new("item", INT, nullable)));
    let (strict, loose) = (
        schema(&[("l", "l", list(false))]),
        schema(&[("l", "l", list(true))]),
    );
    let mut columns = Columns::new(Arc::clone(&strict), Vec::new());
    columns.follow(&view(&strict, &loose)).unwrap();
    columns.admit(&view(&strict, &strict), None).unwrap();
    assert_eq!(columns.schema().field(0).data_type(), &list(true));
}

#[test]
fn types_that_do_not_go_together_are_called_what_users_call_them() {
    let zoned = DataType::Timestamp(TimeUnit::Microsecond, Some("Europe/Berlin".into()));
    let times = DataType::Timestamp(TimeUnit::Nanosecond, None);
    let (ours, theirs) = (schema(&[("t", "t", times)]), schema(&[("t", "t", zoned)]));
    let problem_of = |stop: Stop| match stop {
        Stop::Conflict(kind, problem) => (kind, problem),
        Stop::Failed(error) => panic!("{error}"),
    };
    let mut plain = Columns::new(Arc::clone(&ours), Vec::new());
    let apart = plain.admit(&view(&theirs, &theirs), None).unwrap_err();
    let problem =
        "column `t` is timestamp[ns] on one side and timestamp[us, tz=Europe/Berlin] on the other";
    assert_eq!(problem_of(apart), (Kind::Types, problem.to_owned()));

    let sorted = Columns::new(ours, vec!["t".to_owned()]);
    let index = ["t".to_owned()];
    let seen = View {
        index: &index,
        ..view(&theirs, &theirs)
    };
    let apart = sorted.expect_index(&seen).unwrap_err();
    let problem = "column `t` of the index is timestamp[ns] and timestamp[us, tz=Europe/Berlin]";
    assert_eq!(problem_of(apart), (Kind::Index, problem.to_owned()));
}
