//! Table functions: calls in a statement that stand for what is made of frames, or said about them.
//!
//! DataFusion calls a table function while it plans, when nothing can be read. So the calls are taken out of a
//! statement before ([`call`]): each is understood here ([`arguments`]), and becomes a table, which is called
//! as the function is unless the query gives it another name. Frames are found by the names that queries use.

mod arguments;
mod call;
mod history;
mod resample;

use datafusion::sql::sqlparser::ast::Statement;

pub(super) use self::arguments::Arguments;
use self::call::Call;
use super::catalog::{Found, Frames, Table};
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
}

impl Function {
    const ALL: [Self; 4] = [Self::AsOf, Self::History, Self::Resample, Self::Segments];

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
        }
    }

    /// How it is called, for messages.
    fn usage(self) -> &'static str {
        match self {
            Self::AsOf => "as_of('frame', version, time, tag or commit)",
            Self::History => "history('frame')",
            Self::Resample => {
                "resample('frame', '5min', 'mean'), with time_col, by, columns, closed, label, origin, offset, \
                 time_zone, fill, numeric_only, quantile, start and stop by name, such as by => ['symbol']"
            }
            Self::Segments => {
                "segments('frame') or segments('frame', version, time, tag or commit)"
            }
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
    }
}
