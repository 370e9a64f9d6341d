//! Table functions: calls in a statement that stand for what is made of frames, or said about them.
//!
//! DataFusion calls a table function while it plans, when nothing can be read. So the calls are taken out of a
//! statement before ([`call`]): each is understood here ([`arguments`]), and becomes a table, which is called
//! as the function is unless the query gives it another name. Frames are found by the names that queries use.

mod arguments;
mod call;
mod combine;
mod history;
mod resample;

use datafusion::sql::sqlparser::ast::Statement;

pub(super) use self::arguments::Arguments;
use self::call::Call;
use super::catalog::{Found, Frames, Table};
use crate::combine::JoinKind;
use crate::status::Failure;

/// Where the tables are that calls become. No bucket can be called that.
pub(super) const CALLS: &str = "//";

/// What can be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Function {
    /// The frame's rows at a state.
    AsOf,
    /// One row for each of its commits, newest first.
    History,
    /// Its rows gathered into bins of time.
    Resample,
    /// One row for each of its segments.
    Segments,
    /// Each row of a frame with the one of another that was the last then.
    AsofJoin,
    /// Pairs of rows of two frames that are equal in some columns.
    Join(JoinKind),
    /// The rows of several frames.
    Concat,
    /// The newest row of each key.
    Latest,
}

impl Function {
    const ALL: [Self; 11] = [
        Self::AsOf,
        Self::History,
        Self::Segments,
        Self::Resample,
        Self::AsofJoin,
        Self::Join(JoinKind::Inner),
        Self::Join(JoinKind::Left),
        Self::Join(JoinKind::Right),
        Self::Join(JoinKind::Outer),
        Self::Concat,
        Self::Latest,
    ];

    /// The function of a name in lower case.
    fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|f| f.name() == name)
    }

    fn name(self) -> &'static str {
        match self {
            Self::AsOf => "as_of",
            Self::History => "history",
            Self::Resample => "resample",
            Self::Segments => "segments",
            Self::AsofJoin => "asof_join",
            Self::Join(JoinKind::Inner) => "inner_join",
            Self::Join(JoinKind::Left) => "left_join",
            Self::Join(JoinKind::Right) => "right_join",
            Self::Join(JoinKind::Outer) => "outer_join",
            Self::Concat => "concat",
            Self::Latest => "latest",
        }
    }

    /// How it is called, for messages.
    fn usage(self) -> &'static str {
        match self {
            Self::AsOf => "as_of('frame', version, time, tag, remote or commit)",
            Self::History => "history('frame') or history('frame', all => true)",
            Self::Resample => {
                "resample('frame', '5min', 'mean'), with time_col, by, columns, closed, label, origin, offset, \
                 time_zone, fill, numeric_only, quantile, start and stop by name, such as by => ['symbol']"
            }
            Self::Segments => {
                "segments('frame') or segments('frame', version, time, tag, remote or commit)"
            }
            Self::AsofJoin => {
                "asof_join('left', 'right', 'on', by => ['key'], tolerance => '2s', direction => 'backward', \
                 allow_exact_matches => true)"
            }
            Self::Join(JoinKind::Inner) => "inner_join('left', 'right', 'key' or ['key', …])",
            Self::Join(JoinKind::Left) => "left_join('left', 'right', 'key' or ['key', …])",
            Self::Join(JoinKind::Right) => "right_join('left', 'right', 'key' or ['key', …])",
            Self::Join(JoinKind::Outer) => "outer_join('left', 'right', 'key' or ['key', …])",
            Self::Concat => "concat('frame', 'frame', …, sorted => true)",
            Self::Latest => "latest('frame', 'key' or ['key', …], start => '2024-01-31')",
        }
    }
}

/// Replaces the calls in a statement by tables, and says what these are.
pub(super) async fn replace(
    frames: &Frames<'_>,
    statement: &mut Statement,
) -> Result<Vec<Found>, Failure> {
    let mut found = Vec::new();
    for call in call::find(statement)? {
        found.push(Found {
            relation: call.relation(),
            path: call.path().into(),
            table: table(frames, call).await?,
        });
    }
    call::replace(statement);
    Ok(found)
}

async fn table(frames: &Frames<'_>, call: Call) -> Result<Table, Failure> {
    let function = call.function;
    let arguments = Arguments::of(call);
    match function {
        Function::AsOf => history::as_of(frames, arguments).await,
        Function::History => history::commits(frames, arguments).await,
        Function::Resample => resample::resample(frames, arguments).await,
        Function::Segments => history::segments(frames, arguments).await,
        Function::AsofJoin => combine::asof_join(frames, arguments).await,
        Function::Join(kind) => combine::join(frames, arguments, kind).await,
        Function::Concat => combine::concat(frames, arguments).await,
        Function::Latest => combine::latest(frames, arguments).await,
    }
}
