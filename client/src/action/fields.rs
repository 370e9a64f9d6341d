//! What can be set in the requests of actions.

use serde_json::Value;
use shoots_proto::action::{
    AlterRequest, CompactRequest, CopyRequest, DeleteRowsRequest, ExpireRequest, FrameRef,
    LogRequest, NewColumn, Retention, RetentionRequest, SnapshotRequest, SweepRequest, TagRequest,
    UsageRequest, VerifyRequest,
};
use shoots_proto::{AsOf, Closed, IndexValue};

use super::table::{DryRun, Noted, Repeatable};
use super::{ActionCall, ActionRequest};
use crate::ToFrameId;
use crate::frame::bucket_name;

impl<Q: ActionRequest + Noted> ActionCall<Q> {
    /// What the commit says about itself.
    pub fn message(self, message: impl Into<String>) -> Self {
        self.with(|request| *Noted::message(request) = Some(message.into()))
    }

    /// Who makes the commit. A server that knows its callers says so itself.
    pub fn author(self, author: impl Into<String>) -> Self {
        self.with(|request| *Noted::author(request) = Some(author.into()))
    }

    /// A fact that the commit carries for programs; call it once for each.
    pub fn metadata(self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        self.with(|request| {
            let metadata = Noted::metadata(request).get_or_insert_default();
            metadata.insert(key.into(), value.into());
        })
    }
}

impl<Q: ActionRequest + DryRun> ActionCall<Q> {
    /// Only says what would be done.
    pub fn dry_run(self) -> Self {
        self.with(|request| *DryRun::dry_run(request) = true)
    }
}

impl<Q: ActionRequest + Repeatable> ActionCall<Q> {
    /// Names this change, in 1 to 128 bytes: the server makes it once, however often it is sent. So
    /// [`send`](Self::send) repeats it by itself when the connection breaks.
    pub fn request_id(self, id: impl Into<String>) -> Self {
        self.with(|request| *Repeatable::id(request) = Some(id.into()))
    }
}

impl ActionCall<LogRequest> {
    /// At most this many commits; 100 if it is not said.
    pub fn limit(self, commits: u64) -> Self {
        self.with(|request| request.limit = Some(commits))
    }

    /// Only what is newer than this state.
    pub fn since(self, state: AsOf) -> Self {
        self.with(|request| request.since = Some(state))
    }

    /// With each version also the commits that it brought and that are no versions there.
    pub fn all(self) -> Self {
        self.with(|request| request.all = true)
    }
}

impl ActionCall<TagRequest> {
    /// The version to name, instead of the newest.
    pub fn as_of(self, state: AsOf) -> Self {
        self.with(|request| request.as_of = Some(state))
    }

    /// Takes the name from another version that has it, instead of refusing.
    pub fn replace(self) -> Self {
        self.with(|request| request.replace = true)
    }
}

impl ActionCall<CopyRequest> {
    /// The state to copy, instead of the newest.
    pub fn as_of(self, state: AsOf) -> Self {
        self.with(|request| request.as_of = Some(state))
    }
}

impl ActionCall<AlterRequest> {
    /// Adds a column, whose type is written like `int64`, `timestamp[ns, UTC]` or `list<string>`. Rows that are there
    /// have null in it.
    pub fn add(self, column: impl Into<String>, data_type: impl Into<String>) -> Self {
        self.with(|request| {
            request.add.push(NewColumn {
                name: column.into(),
                r#type: data_type.into(),
                nullable: true,
            });
        })
    }

    /// Drops a column.
    pub fn drop(self, column: impl Into<String>) -> Self {
        self.with(|request| request.drop.push(column.into()))
    }

    /// Gives a column another name.
    pub fn rename(self, column: impl Into<String>, name: impl Into<String>) -> Self {
        self.with(|request| {
            request.rename.insert(column.into(), name.into());
        })
    }

    /// Gives a column, by the name that it has before the change, a type that holds all of its values; `nullable` only
    /// lets it be null.
    pub fn widen(self, column: impl Into<String>, data_type: impl Into<String>) -> Self {
        self.with(|request| {
            request.widen.insert(column.into(), data_type.into());
        })
    }
}

impl ActionCall<DeleteRowsRequest> {
    /// Only rows that are not before this in the index.
    pub fn start(self, start: impl Into<IndexValue>) -> Self {
        self.with(|request| request.start = Some(start.into()))
    }

    /// Only rows that are before this in the index, unless [`closed`](Self::closed) says otherwise.
    pub fn stop(self, stop: impl Into<IndexValue>) -> Self {
        self.with(|request| request.stop = Some(stop.into()))
    }

    /// Which of the given ends belong to the range; `start` alone if it is not said.
    pub fn closed(self, closed: Closed) -> Self {
        self.with(|request| request.closed = Some(closed))
    }

    /// Only rows for which this is true: an SQL expression over the frame's columns.
    pub fn condition(self, sql: impl Into<String>) -> Self {
        self.with(|request| request.predicate = Some(sql.into()))
    }
}

impl ActionCall<RetentionRequest> {
    /// Sets which versions are kept.
    pub fn set(self, rules: Retention) -> Self {
        self.with(|request| request.set = Some(Some(rules)))
    }

    /// Goes back to what holds without rules of its own.
    pub fn unset(self) -> Self {
        self.with(|request| request.set = Some(None))
    }
}

impl ActionCall<SnapshotRequest> {
    /// A frame that belongs to it.
    pub fn frame(self, frame: impl ToFrameId) -> Self {
        self.try_with(|request| {
            request.frames.push(FrameRef::from(frame.to_frame_id()?));
            Ok(())
        })
    }

    /// A bucket all of whose frames belong to it.
    pub fn bucket(self, bucket: &str) -> Self {
        self.try_with(|request| {
            request.buckets.push(Some(bucket_name(bucket)?));
            Ok(())
        })
    }

    /// All frames of the default bucket belong to it.
    pub fn default_bucket(self) -> Self {
        self.with(|request| request.buckets.push(None))
    }

    /// What the snapshot says about itself.
    pub fn message(self, message: impl Into<String>) -> Self {
        self.with(|request| request.message = Some(message.into()))
    }
}

macro_rules! of_a_bucket {
    ($($request:ident),*) => {
        $(
            impl ActionCall<$request> {
                /// The bucket, instead of the default one.
                pub fn bucket(self, bucket: &str) -> Self {
                    self.try_with(|request| {
                        request.bucket = Some(bucket_name(bucket)?);
                        Ok(())
                    })
                }
            }
        )*
    };
}

of_a_bucket! { CompactRequest, ExpireRequest, RetentionRequest, SweepRequest, UsageRequest, VerifyRequest }

impl ActionCall<UsageRequest> {
    /// Every bucket.
    pub fn all_buckets(self) -> Self {
        self.with(|request| request.all_buckets = true)
    }
}

impl ActionCall<VerifyRequest> {
    /// The frames of every bucket.
    pub fn all_buckets(self) -> Self {
        self.with(|request| request.all_buckets = true)
    }

    /// Reads the bytes of only this share of the segments, more than 0 and at most 1.
    pub fn sample(self, share: f64) -> Self {
        self.with(|request| request.sample = Some(share))
    }
}
