//! What is made of several frames and put into another: `combine`.

use std::sync::Arc;

use shoots_proto::action::{CombineRequest, CombineResult};
use shoots_store::PutOptions;

use crate::service::{Shared, target};
use crate::status::Failure;

/// Puts into the target what joining or concatenating the sources makes.
pub(super) async fn combine(
    shared: Arc<Shared>,
    request: CombineRequest,
) -> Result<CombineResult, Failure> {
    shared.check_writable("to combine frames into one")?;
    let plan = shared.queries.combine(&shared.store, &request).await?;
    let options = PutOptions {
        mode: request.mode,
        note: request.note(),
        index: request.index.clone().unwrap_or_default(),
        request_id: request.request_id.clone(),
        ..PutOptions::default()
    };
    let put = target::put_rows(&shared, &request.target(), plan, options).await?;
    Ok(CombineResult {
        target_rows: put.rows,
        version: put.version,
        commit: put.commit.to_string(),
    })
}
