//! What can be done to a frame, drawn at random.
//!
//! An operation is drawn without knowing what the frame looks like, so that leaving some out while a failing history
//! is shrunk leaves one that still makes sense: names and values are numbers here, which mean something for every
//! frame.

use proptest::collection::vec;
use proptest::prelude::*;
use shoots_proto::Closed;

use crate::table::Kind;

/// How the stores of a history are set up.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Setup {
    pub(crate) segment_rows: usize,
    /// Whether every batch of a put is a run of its own.
    pub(crate) little_memory: bool,
}

/// The index that a frame gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Indexed {
    No,
    Int,
    Time,
    Text,
    TimeAndText,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Error,
    Append,
    Replace,
    UpdateRange,
    UpdateKeys,
    Upsert,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct RowSeed {
    pub(crate) key: u8,
    pub(crate) second: u8,
    pub(crate) values: u16,
}

/// One end of a range.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BoundSeed {
    pub(crate) key: u8,
    pub(crate) beyond: bool,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct SpanSeed {
    pub(crate) start: Option<BoundSeed>,
    pub(crate) stop: Option<BoundSeed>,
    pub(crate) closed: Closed,
}

#[derive(Debug, Clone)]
pub(crate) struct PutSeed {
    pub(crate) mode: Mode,
    /// For a frame that comes with it; others keep theirs.
    pub(crate) indexed: Indexed,
    pub(crate) rows: Vec<RowSeed>,
    pub(crate) sorted: bool,
    pub(crate) batch_rows: usize,
    /// What an update replaces; none: what its rows cover.
    pub(crate) span: Option<SpanSeed>,
    /// Columns that an upsert leaves out, a bit each.
    pub(crate) without: u8,
    /// A column that an upsert brings.
    pub(crate) extra: Option<(u8, Kind)>,
    /// Columns that come with a smaller type, a bit each.
    pub(crate) narrow: u8,
    /// Columns that may be null and sometimes are, a bit each.
    pub(crate) nullable: u8,
    pub(crate) reversed_columns: bool,
}

/// A version.
#[derive(Debug, Clone, Copy)]
pub(crate) enum AsOfSeed {
    Newest,
    Version(u8),
    Back(u8),
    Tag(u8),
    Commit(u8),
    Time(u8),
}

#[derive(Debug, Clone)]
pub(crate) struct AlterSeed {
    pub(crate) drop: Option<u8>,
    pub(crate) rename: Vec<(u8, u8)>,
    pub(crate) widen: Option<(u8, Option<Kind>)>,
    pub(crate) add: Option<(u8, Kind)>,
}

#[derive(Debug, Clone)]
pub(crate) struct ReadSeed {
    pub(crate) as_of: AsOfSeed,
    pub(crate) span: Option<SpanSeed>,
    pub(crate) columns: Option<Vec<u8>>,
    pub(crate) offset: u64,
    pub(crate) limit: Option<u64>,
    pub(crate) tail: Option<u64>,
    pub(crate) batch_rows: Option<usize>,
}

/// Which versions are kept; at least one of both is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RuleSeed {
    pub(crate) versions: Option<u8>,
    pub(crate) hours: Option<u8>,
}

#[derive(Debug, Clone)]
pub(crate) enum Op {
    Put(PutSeed),
    /// A put that begins, other changes by the other writer, and then the put's commit.
    Meanwhile(PutSeed, Vec<Op>),
    DeleteRows {
        span: Option<SpanSeed>,
        /// A column, and which of its values.
        condition: Option<(u8, u8)>,
    },
    Alter(AlterSeed),
    Tag {
        name: u8,
        as_of: AsOfSeed,
        replace: bool,
    },
    Untag(u8),
    Restore(AsOfSeed),
    Delete,
    Undelete,
    Compact,
    SetRetention(Option<RuleSeed>),
    Expire,
    Forget(AsOfSeed),
    Sweep,
    /// So many hours go by.
    Pass(u8),
    Read(ReadSeed),
}

/// What is done, each by the first writer or the second.
pub(crate) type History = (Setup, Vec<(bool, Op)>);

pub(crate) fn histories() -> impl Strategy<Value = History> {
    let setup = (
        prop_oneof![Just(3_usize), Just(7), Just(1_000)],
        any::<bool>(),
    );
    let setup = setup.prop_map(|(segment_rows, little_memory)| Setup {
        segment_rows,
        little_memory,
    });
    let first = put().prop_map(|put| (false, Op::Put(put)));
    let ops = vec((any::<bool>(), op()), 0..24);
    (setup, first, ops).prop_map(|(setup, first, mut ops)| {
        ops.insert(0, first);
        (setup, ops)
    })
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => simple(),
        1 => (put(), vec(simple(), 1..3)).prop_map(|(put, ops)| Op::Meanwhile(put, ops)),
        2 => read().prop_map(Op::Read),
    ]
}

fn simple() -> impl Strategy<Value = Op> {
    let condition = prop::option::of((0..6_u8, 0..4_u8));
    prop_oneof![
        16 => put().prop_map(Op::Put),
        4 => (prop::option::of(span()), condition)
            .prop_map(|(span, condition)| Op::DeleteRows { span, condition }),
        5 => alter().prop_map(Op::Alter),
        2 => (0..3_u8, as_of(), any::<bool>())
            .prop_map(|(name, as_of, replace)| Op::Tag { name, as_of, replace }),
        1 => (0..3_u8).prop_map(Op::Untag),
        2 => as_of().prop_map(Op::Restore),
        1 => Just(Op::Delete),
        1 => Just(Op::Undelete),
        8 => upkeep(),
    ]
}

fn upkeep() -> impl Strategy<Value = Op> {
    let rule = (prop::option::of(1..6_u8), prop::option::of(0..60_u8));
    let rule = rule.prop_map(|(versions, hours)| {
        let said = versions.is_some() || hours.is_some();
        said.then_some(RuleSeed { versions, hours })
    });
    prop_oneof![
        3 => Just(Op::Compact),
        2 => rule.prop_map(Op::SetRetention),
        3 => Just(Op::Expire),
        1 => as_of().prop_map(Op::Forget),
        1 => Just(Op::Sweep),
        2 => (1..40_u8).prop_map(Op::Pass),
    ]
}

fn put() -> impl Strategy<Value = PutSeed> {
    let mode = prop_oneof![
        1 => Just(Mode::Error),
        4 => Just(Mode::Append),
        1 => Just(Mode::Replace),
        3 => Just(Mode::UpdateRange),
        2 => Just(Mode::UpdateKeys),
        6 => Just(Mode::Upsert),
    ];
    let indexed = prop_oneof![
        1 => Just(Indexed::No),
        3 => Just(Indexed::Int),
        2 => Just(Indexed::Time),
        2 => Just(Indexed::Text),
        3 => Just(Indexed::TimeAndText),
    ];
    let row = (0..12_u8, 0..3_u8, any::<u16>());
    let row = row.prop_map(|(key, second, values)| RowSeed {
        key,
        second,
        values,
    });
    let rows = (vec(row, 0..20), any::<bool>(), 1..9_usize);
    let extra = prop::option::weighted(0.2, (0..6_u8, kind()));
    let columns = (
        prop_oneof![Just(0_u8), 0..8_u8],
        extra,
        0..8_u8,
        0..8_u8,
        any::<bool>(),
    );
    let span = prop::option::of(span());
    (mode, indexed, rows, span, columns).prop_map(
        |(mode, indexed, (rows, sorted, batch_rows), span, columns)| {
            let (without, extra, narrow, nullable, reversed_columns) = columns;
            PutSeed {
                mode,
                indexed,
                rows,
                sorted,
                batch_rows,
                span,
                without,
                extra,
                narrow,
                nullable,
                reversed_columns,
            }
        },
    )
}

fn span() -> impl Strategy<Value = SpanSeed> {
    let bound = (0..13_u8, prop::bool::weighted(0.2));
    let bound = bound.prop_map(|(key, beyond)| BoundSeed { key, beyond });
    let bound = prop::option::weighted(0.8, bound);
    let closed = prop_oneof![
        Just(Closed::Left),
        Just(Closed::Right),
        Just(Closed::Both),
        Just(Closed::Neither)
    ];
    let ends = (bound.clone(), bound, prop::bool::weighted(0.9));
    (ends, closed).prop_map(|((one, other, ordered), closed)| {
        let swap =
            matches!((one, other), (Some(one), Some(other)) if ordered && one.key > other.key);
        let (start, stop) = if swap { (other, one) } else { (one, other) };
        SpanSeed {
            start,
            stop,
            closed,
        }
    })
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![
        Just(Kind::Int32),
        Just(Kind::Int64),
        Just(Kind::Float32),
        Just(Kind::Float64),
        Just(Kind::Text)
    ]
}

fn as_of() -> impl Strategy<Value = AsOfSeed> {
    prop_oneof![
        2 => Just(AsOfSeed::Newest),
        4 => any::<u8>().prop_map(AsOfSeed::Version),
        1 => any::<u8>().prop_map(AsOfSeed::Back),
        2 => (0..3_u8).prop_map(AsOfSeed::Tag),
        1 => any::<u8>().prop_map(AsOfSeed::Commit),
        1 => any::<u8>().prop_map(AsOfSeed::Time),
    ]
}

fn alter() -> impl Strategy<Value = AlterSeed> {
    let rename = prop_oneof![
        2 => vec((0..6_u8, 0..7_u8), 0..1),
        2 => vec((0..6_u8, 0..7_u8), 1..2),
        1 => vec((0..6_u8, 0..7_u8), 2..4),
    ];
    let drop = prop::option::weighted(0.3, 0..6_u8);
    let widen = prop::option::weighted(0.4, (0..6_u8, prop::option::weighted(0.8, kind())));
    let add = prop::option::weighted(0.4, (0..7_u8, kind()));
    (drop, rename, widen, add).prop_map(|(drop, rename, widen, add)| AlterSeed {
        drop,
        rename,
        widen,
        add,
    })
}

fn read() -> impl Strategy<Value = ReadSeed> {
    let columns = prop::option::weighted(0.4, vec(0..6_u8, 0..4));
    let cut = prop_oneof![
        3 => Just((0, None, None)),
        2 => (0..20_u64, prop::option::of(0..20_u64)).prop_map(|(offset, limit)| (offset, limit, None)),
        2 => (0..20_u64).prop_map(|tail| (0, None, Some(tail))),
    ];
    let batch_rows = prop::option::of(1..9_usize);
    let span = prop::option::weighted(0.6, span());
    (as_of(), span, columns, cut, batch_rows).prop_map(
        |(as_of, span, columns, (offset, limit, tail), batch_rows)| ReadSeed {
            as_of,
            span,
            columns,
            offset,
            limit,
            tail,
            batch_rows,
        },
    )
}
