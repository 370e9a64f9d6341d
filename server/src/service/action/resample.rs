//! What is made of a frame and put into another: `resample`.

use std::sync::Arc;

use shoots_proto::action::{RESAMPLE, ResampleRequest, ResampleResult};
use shoots_store::PutOptions;

use crate::query::{Parameters, Question, Scope};
use crate::service::{Shared, target};
use crate::status::Failure;

/// Puts into the target what a query, or bins of time, make of the source.
pub(super) async fn resample(
    shared: Arc<Shared>,
    request: ResampleRequest,
) -> Result<ResampleResult, Failure> {
    shared.check_writable("to resample into a frame")?;
    match request.sql.clone() {
        Some(sql) => by_sql(&shared, request, sql).await,
        None => Err(Failure::invalid(
            RESAMPLE,
            Some("rule"),
            "is not served yet",
        )),
    }
}

async fn by_sql(
    shared: &Arc<Shared>,
    request: ResampleRequest,
    sql: String,
) -> Result<ResampleResult, Failure> {
    let source = shared.store.frame(&request.source()).snapshot(None).await?;
    let question = Question {
        sql,
        scope: Scope::of(&source, None),
        parameters: Parameters::default(),
        columns: None,
        offset: None,
        limit: None,
    };
    let plan = shared.queries.plan(&shared.store, question).await?;
    let put = target::put_rows(shared, &request.target(), plan, options(&request, &[])).await?;
    Ok(ResampleResult {
        source_rows: None,
        target_rows: put.rows,
        version: put.version,
        commit: put.commit.to_string(),
    })
}

/// A request in the words of the store; the index that is `usual` is for frames that have none so far.
fn options(request: &ResampleRequest, usual: &[String]) -> PutOptions {
    PutOptions {
        mode: request.mode,
        note: request.note(),
        index: request.index.clone().unwrap_or_else(|| usual.to_vec()),
        request_id: request.request_id.clone(),
        ..PutOptions::default()
    }
}
