//! What a frame that follows another one says about itself, in the metadata of its newest commit.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use shoots_proto::action::{RESAMPLE, ResampleRequest};
use shoots_proto::{ErrorKind, FrameId, Note, PutMode};
use shoots_store::Snapshot;

use crate::resample::Grid;
use crate::status::Failure;

/// Where it stands in the metadata.
pub(in crate::service) const KEY: &str = "shoots.continuous";

/// The frame that the metadata of a commit says is followed, if it says so in a way that can be read.
pub(in crate::service) fn declared(
    metadata: &Map<String, Value>,
) -> Option<Result<FrameId, serde_json::Error>> {
    let declaration = Declaration::deserialize(metadata.get(KEY)?);
    Some(declaration.map(|declaration| declaration.request.source()))
}

/// What a frame is made of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::service) struct Declaration {
    /// How it is made.
    pub(in crate::service) request: ResampleRequest,
    /// The version of the source that it was made of.
    pub(in crate::service) version: u64,
    /// The commit of that version.
    pub(in crate::service) commit: String,
    /// From where to where the source's rows reached then; none: there were none.
    pub(in crate::service) grid: Option<Grid>,
}

impl Declaration {
    /// What is to be said about rows made of a state of the source.
    pub(in crate::service) fn new(
        request: &ResampleRequest,
        source: &Snapshot,
        grid: Option<Grid>,
    ) -> Result<Self, Failure> {
        let Some((version, commit)) = source.version().zip(source.commit()) else {
            let problem =
                "is a plain file, which has no versions to follow; put its rows into a frame first";
            return Err(Failure::invalid(RESAMPLE, Some("source"), problem));
        };
        Ok(Self {
            request: ResampleRequest {
                mode: PutMode::Replace,
                index: None,
                request_id: None,
                message: None,
                author: None,
                metadata: None,
                ..request.clone()
            },
            version,
            commit,
            grid,
        })
    }

    /// What a state of a frame says, if it follows another one.
    pub(in crate::service) fn of(snapshot: &Snapshot) -> Result<Option<(Self, Value)>, Failure> {
        let Some(value) = snapshot.metadata().and_then(|metadata| metadata.get(KEY)) else {
            return Ok(None);
        };
        match Self::deserialize(value) {
            Ok(declaration) if declaration.request.target() == *snapshot.frame() => {
                Ok(Some((declaration, value.clone())))
            }
            // The metadata of another frame was put with its rows.
            Ok(_) => Ok(None),
            Err(error) => {
                let problem = format!("cannot read what the frame follows: {error}");
                Err(Failure::new(ErrorKind::InternalError, problem))
            }
        }
    }

    /// The frame that a state of a frame follows.
    pub(in crate::service) fn source_of(snapshot: &Snapshot) -> Option<FrameId> {
        let value = snapshot.metadata()?.get(KEY)?;
        let declaration = Self::deserialize(value).ok()?;
        let own = declaration.request.target() == *snapshot.frame();
        own.then(|| declaration.request.source())
    }

    /// The same beside what else is to be said about a commit.
    pub(in crate::service) fn noted(&self, mut note: Note) -> Result<Note, Failure> {
        let value = serde_json::to_value(self).map_err(|error| {
            let problem = format!("cannot write what the frame follows: {error}");
            Failure::new(ErrorKind::InternalError, problem)
        })?;
        let metadata = note.metadata.get_or_insert_with(Map::new);
        metadata.insert(KEY.to_owned(), value);
        Ok(note)
    }
}
