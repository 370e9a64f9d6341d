//! Bulk ingestion: a put, in Flight SQL's words.
//!
//! The table is a frame, its schema the bucket. All rows of the call are one commit, and a stream that breaks off changes
//! nothing, as with every put.

use std::collections::HashMap;

use arrow_flight::FlightData;
use arrow_flight::sql::{
    CommandStatementIngest, DoPutUpdateResult, TableDefinitionOptions, TableExistsOption,
    TableNotExistOption,
};
use futures::Stream;
use shoots_flight::Decoder;
use shoots_proto::{BucketName, ErrorKind, FrameId, FrameName, Note, PutMode};
use shoots_store::PutOptions;

use super::session::Session;
use super::{Shared, check_no_transaction};
use crate::query::CATALOG;
use crate::service::put;
use crate::status::Failure;

const WHAT: &str = "ingest command";

/// Puts the rows of a stream into a frame, and tells how many.
pub(super) async fn ingest<S>(
    shared: &Shared,
    session: Session,
    command: CommandStatementIngest,
    mut batches: Decoder<S>,
) -> Result<DoPutUpdateResult, Failure>
where
    S: Stream<Item = Result<FlightData, Failure>> + Send,
{
    check_no_transaction(command.transaction_id.as_ref())?;
    if command.temporary {
        let problem = "must be false: there are no temporary frames";
        return Err(Failure::invalid(WHAT, Some("temporary"), problem));
    }
    let frame = frame(session, &command)?;
    let wish = Wish::of(command.table_definition_options)?;
    let options = options(wish.mode, command.options)?;
    let schema = batches.read_schema().await?;
    if wish.must_exist && !shared.store.read(&frame)?.exists().await? {
        let problem =
            format!("there is no frame {frame} to ingest into; let it be created, or name another");
        return Err(Failure::new(ErrorKind::FileNotFoundError, problem));
    }
    let published = put::write(shared, &frame, schema, options, batches).await?;
    let record_count = i64::try_from(published.rows).unwrap_or(i64::MAX);
    Ok(DoPutUpdateResult { record_count })
}

/// The frame that a command names.
fn frame(session: Session, command: &CommandStatementIngest) -> Result<FrameId, Failure> {
    match command.catalog.as_deref() {
        None | Some("" | CATALOG) => {}
        Some(other) => {
            let problem = format!("must be left out or `{CATALOG}`, the only one (got `{other}`)");
            return Err(Failure::invalid(WHAT, Some("catalog"), problem));
        }
    }
    let bucket = match command.schema.as_deref() {
        None => session.bucket,
        Some("") => None,
        Some(name) => {
            let bucket = BucketName::parse(name);
            Some(bucket.map_err(|e| Failure::invalid(WHAT, Some("schema"), e))?)
        }
    };
    let name = FrameName::parse(&command.table);
    let name = name.map_err(|e| Failure::invalid(WHAT, Some("table"), e))?;
    Ok(FrameId::new(bucket, name))
}

/// What is to happen to a frame that is there, and to one that is not.
#[derive(Debug, PartialEq, Eq)]
struct Wish {
    mode: PutMode,
    must_exist: bool,
}

impl Wish {
    fn of(options: Option<TableDefinitionOptions>) -> Result<Self, Failure> {
        let options = options.unwrap_or_default();
        let must_exist = match options.if_not_exist() {
            TableNotExistOption::Create => false,
            TableNotExistOption::Fail => true,
            TableNotExistOption::Unspecified => return Err(unsaid("if_not_exist")),
        };
        let mode = match options.if_exists() {
            TableExistsOption::Append => PutMode::Append,
            TableExistsOption::Replace => PutMode::Replace,
            TableExistsOption::Fail if !must_exist => PutMode::Error,
            TableExistsOption::Fail => {
                let problem = "must not be FAIL if `if_not_exist` is: nothing would be ingested";
                return Err(Failure::invalid(WHAT, Some("if_exists"), problem));
            }
            TableExistsOption::Unspecified => return Err(unsaid("if_exists")),
        };
        Ok(Self { mode, must_exist })
    }
}

fn unsaid(field: &str) -> Failure {
    let problem = "must be said: what happens to a frame that is there, and to one that is not";
    Failure::invalid(WHAT, Some(field), problem)
}

/// What else a put can be told, as texts: `index`, `mode`, `message`, `author`, `request_id`.
fn options(mode: PutMode, given: HashMap<String, String>) -> Result<PutOptions, Failure> {
    let mut options = PutOptions::mode(mode);
    let mut note = Note::default();
    for (name, value) in given {
        match name.as_str() {
            "index" => options.index = columns(&value)?,
            "mode" => options.mode = finer(mode, &value)?,
            "message" => note.message = Some(value),
            "author" => note.author = Some(value),
            "request_id" => options.request_id = Some(value),
            other => {
                let problem = "is not known; the options are `index`, `mode`, `message`, `author`, `request_id`";
                return Err(Failure::invalid(
                    WHAT,
                    Some(&format!("options.{other}")),
                    problem,
                ));
            }
        }
    }
    options.note = note;
    Ok(options)
}

/// Names of columns: a JSON list, or texts with commas between them.
fn columns(value: &str) -> Result<Vec<String>, Failure> {
    if value.trim_start().starts_with('[') {
        let columns = serde_json::from_str(value);
        return columns.map_err(|e| Failure::invalid(WHAT, Some("options.index"), e));
    }
    Ok(value
        .split(',')
        .map(|name| name.trim().to_owned())
        .collect())
}

/// A mode that Flight SQL has no word for, in place of appending.
fn finer(mode: PutMode, value: &str) -> Result<PutMode, Failure> {
    match (mode, value) {
        (PutMode::Append, "update") => Ok(PutMode::Update),
        (PutMode::Append, "upsert") => Ok(PutMode::Upsert),
        _ => {
            let problem = "must be `update` or `upsert`, and goes with appending only";
            Err(Failure::invalid(WHAT, Some("options.mode"), problem))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pair_of_wishes_is_followed_or_refused() {
        use TableExistsOption as Exists;
        use TableNotExistOption as Missing;
        for (missing, exists, expected) in [
            (Missing::Create, Exists::Fail, Some((PutMode::Error, false))),
            (
                Missing::Create,
                Exists::Append,
                Some((PutMode::Append, false)),
            ),
            (
                Missing::Create,
                Exists::Replace,
                Some((PutMode::Replace, false)),
            ),
            (Missing::Fail, Exists::Append, Some((PutMode::Append, true))),
            (
                Missing::Fail,
                Exists::Replace,
                Some((PutMode::Replace, true)),
            ),
            (Missing::Fail, Exists::Fail, None),
            (Missing::Unspecified, Exists::Append, None),
            (Missing::Create, Exists::Unspecified, None),
        ] {
            let wish = Wish::of(Some(TableDefinitionOptions {
                if_not_exist: missing.into(),
                if_exists: exists.into(),
            }));
            let wish = wish.ok().map(|wish| (wish.mode, wish.must_exist));
            assert_eq!(wish, expected, "{missing:?} {exists:?}");
        }
        assert!(Wish::of(None).is_err());
    }

    #[test]
    fn names_are_checked_and_options_known() {
        let command = |catalog: Option<&str>, schema: Option<&str>, table: &str| {
            let command = CommandStatementIngest {
                catalog: catalog.map(str::to_owned),
                schema: schema.map(str::to_owned),
                table: table.to_owned(),
                ..CommandStatementIngest::default()
            };
            let session = Session {
                bucket: BucketName::parse("own").ok(),
                ..Session::default()
            };
            frame(session, &command).map(|frame| frame.to_string())
        };
        assert_eq!(command(None, None, "f").unwrap(), "own/f");
        assert_eq!(command(Some("shoots"), Some(""), "f").unwrap(), "f");
        assert_eq!(command(Some(""), Some("nyc"), "f").unwrap(), "nyc/f");
        for (bad, field) in [
            (command(Some("other"), None, "f"), "catalog"),
            (command(None, Some("a/b"), "f"), "schema"),
            (command(None, None, ""), "table"),
        ] {
            let failure = bad.unwrap_err();
            assert!(failure.to_string().contains(field), "{failure}");
        }
        let given = |name: &str, value: &str| {
            let given = HashMap::from([(name.to_owned(), value.to_owned())]);
            options(PutMode::Append, given)
        };
        assert_eq!(
            given("index", "time, symbol").unwrap().index,
            ["time", "symbol"]
        );
        assert_eq!(given("index", r#"["a,b"]"#).unwrap().index, ["a,b"]);
        assert_eq!(given("mode", "upsert").unwrap().mode, PutMode::Upsert);
        for (name, value) in [("mode", "error"), ("index", "[1]"), ("partition", "day")] {
            let failure = given(name, value).unwrap_err();
            assert!(failure.to_string().contains(name), "{failure}");
        }
    }
}
