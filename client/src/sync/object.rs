//! The names of objects, as servers are asked for them.

use shoots_proto::action::{SyncObject, SyncObjectKind};
use shoots_store::{ObjectKind, ObjectName};

/// An object's name as it is sent.
pub(super) fn sent(object: &ObjectName) -> SyncObject {
    let kind = match object.kind {
        ObjectKind::Segment => SyncObjectKind::Segment,
        ObjectKind::Vector => SyncObjectKind::Vector,
        ObjectKind::Schema => SyncObjectKind::Schema,
    };
    SyncObject::new(kind, object.id.clone())
}
