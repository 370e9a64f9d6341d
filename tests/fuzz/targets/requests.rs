//! The JSON of the wire contract: each message that is read is one that is written and read again as the same.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use shoots_proto::action::*;
use shoots_proto::{
    ColumnsTicket, ErrorBody, GetTicket, ListCriteria, PutCommand, PutResult, decode, encode,
};

use super::{bytes, golden, text};
use crate::child::{Target, Verdict};
use crate::input::Input;

pub(super) struct Requests;

impl Target for Requests {
    const NAME: &'static str = "requests";

    async fn begin() -> Self {
        Self
    }

    async fn seeds(&mut self) -> Vec<Input> {
        let golden = golden().into_iter();
        golden
            .map(|(what, json)| vec![what.into_bytes(), json])
            .collect()
    }

    async fn run(&mut self, input: &Input) -> Verdict {
        read_as(&text(input, 0), &bytes(input, 1))
    }
}

macro_rules! messages {
    ($what:expr, $json:expr; $($name:literal: $message:ty),* $(,)?) => {
        match $what {
            $($name => there_and_back::<$message>($json),)*
            _ => there_and_back::<serde_json::Value>($json),
        }
    };
}

fn read_as(what: &str, json: &[u8]) -> Verdict {
    messages!(what, json;
        "get_ticket": GetTicket,
        "columns_ticket": ColumnsTicket,
        "put_command": PutCommand,
        "put_result": PutResult,
        "list_criteria": ListCriteria,
        "add_remote_request": AddRemoteRequest,
        "alter_request": AlterRequest,
        "clone_request": CloneRequest,
        "combine_request": CombineRequest,
        "compact_request": CompactRequest,
        "continuous_request": ContinuousRequest,
        "copy_request": CopyRequest,
        "delete_bucket_request": DeleteBucketRequest,
        "delete_request": DeleteRequest,
        "delete_rows_request": DeleteRowsRequest,
        "describe_request": DescribeRequest,
        "diff_request": DiffRequest,
        "drop_snapshot_request": DropSnapshotRequest,
        "expire_request": ExpireRequest,
        "fetch_request": FetchRequest,
        "files_request": FilesRequest,
        "forget_request": ForgetRequest,
        "log_request": LogRequest,
        "log_result": LogResult,
        "merge_request": MergeRequest,
        "pull_request": PullRequest,
        "purge_request": PurgeRequest,
        "push_request": PushRequest,
        "remotes_request": RemotesRequest,
        "remove_remote_request": RemoveRemoteRequest,
        "rename_request": RenameRequest,
        "resample_request": ResampleRequest,
        "restore_request": RestoreRequest,
        "retention_request": RetentionRequest,
        "snapshot_request": SnapshotRequest,
        "sweep_request": SweepRequest,
        "sync_have_request": SyncHaveRequest,
        "sync_history_request": SyncHistoryRequest,
        "sync_publish_command": SyncPublishCommand,
        "sync_read_request": SyncReadRequest,
        "sync_write_command": SyncWriteCommand,
        "tag_request": TagRequest,
        "tags_request": TagsRequest,
        "undelete_request": UndeleteRequest,
        "untag_request": UntagRequest,
        "usage_request": UsageRequest,
        "verify_request": VerifyRequest,
    )
}

fn there_and_back<M: DeserializeOwned + Serialize>(json: &[u8]) -> Verdict {
    let _any_is_fine = ErrorBody::from_json(json);
    let message = match decode::<M>("message", json) {
        Ok(message) => message,
        Err(error) => {
            let told = error.to_string();
            return match told.len() {
                0..4096 => Verdict::told(told),
                length => Verdict::defect(format!("an error of {length} bytes: {told}")),
            };
        }
    };
    let once = match encode(&message) {
        Ok(once) => once,
        Err(error) => return Verdict::defect(format!("what was read cannot be written: {error}")),
    };
    match decode::<M>("message", &once).map(|again| encode(&again)) {
        Ok(Ok(twice)) if twice == once || alike(&once, &twice) => Verdict::told("ok"),
        again => Verdict::defect(format!(
            "{} is read again as {again:?}",
            String::from_utf8_lossy(&once)
        )),
    }
}

/// Whether two texts say the same. A number that is no integer of 64 bits may be rounded when it is read, in its last place.
fn alike(once: &[u8], twice: &[u8]) -> bool {
    let [Ok(once), Ok(twice)] = [once, twice].map(serde_json::from_slice::<Value>) else {
        return false;
    };
    same(&once, &twice)
}

fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) if one.is_f64() && other.is_f64() => {
            let bits = [one, other].map(|number| number.as_f64().unwrap_or(f64::NAN).to_bits());
            bits[0].abs_diff(bits[1]) <= 2
        }
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one
                    .iter()
                    .all(|(key, value)| other.get(key).is_some_and(|other| same(value, other)))
        }
        (one, other) => one == other,
    }
}
