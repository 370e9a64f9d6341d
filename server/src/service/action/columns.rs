//! What is done to the columns of a frame: `alter`.

use std::sync::Arc;

use shoots_proto::action::{self, AlterRequest, AlterResult};
use shoots_store::{ColumnEdit, NewColumn};
use tracing::info;

use super::carry_through;
use crate::service::Shared;
use crate::status::Failure;

/// Adds, drops, renames and widens columns.
pub(super) async fn alter(
    shared: Arc<Shared>,
    request: AlterRequest,
) -> Result<AlterResult, Failure> {
    shared.check_writable("to change columns")?;
    let id = request.frame();
    let frame = shared.store.write(&id, request.note())?;
    let frame = frame.request_id(request.request_id.clone());
    let edit = edit(request)?;
    let result = carry_through(async move { frame.alter(edit).await }).await?;
    info!(frame = %id, version = result.version, "columns changed");
    Ok(result)
}

/// A request in the words of the store, which names a column that is renamed as it is called afterwards.
fn edit(request: AlterRequest) -> Result<ColumnEdit, Failure> {
    let AlterRequest {
        add,
        drop,
        rename,
        widen,
        ..
    } = request;
    if let Some(column) = add.iter().find(|column| !column.nullable) {
        let problem = format!(
            "column `{}` has to be nullable: rows that are there have null in it",
            column.name
        );
        return Err(Failure::invalid(action::ALTER, Some("add"), problem));
    }
    let widen = widen.into_iter().map(|(column, data_type)| {
        let name = rename.get(&column).cloned().unwrap_or(column);
        (name, data_type)
    });
    let add = add.into_iter().map(|column| NewColumn {
        name: column.name,
        data_type: column.r#type,
    });
    Ok(ColumnEdit {
        drop,
        widen: widen.collect(),
        add: add.collect(),
        rename,
    })
}

#[cfg(test)]
mod tests {
    use shoots_proto::decode;

    use super::*;

    #[test]
    fn every_column_is_named_as_it_was() {
        let json = br#"{"name":"a","rename":{"n":"m"},"widen":{"n":"int64","k":"float64"}}"#;
        let edit = edit(decode("alter", json).unwrap()).unwrap();
        assert_eq!(edit.widen["m"], "int64");
        assert_eq!(edit.widen["k"], "float64");
        assert_eq!(edit.widen.len(), 2);
    }

    #[test]
    fn a_column_without_nulls_cannot_be_added() {
        let json = br#"{"name":"a","add":[{"name":"n","type":"int64","nullable":false}]}"#;
        let refused = edit(decode("alter", json).unwrap()).unwrap_err();
        assert!(
            refused.to_string().contains("alter: add: column `n`"),
            "{refused}"
        );
    }
}
