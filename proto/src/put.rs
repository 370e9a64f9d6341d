//! Putting a frame: the command in the Flight descriptor, and the metadata of the `PutResult`.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::field;
pub use crate::mode::{PutMode, UnknownMode, UpdateScope};
use crate::name::{BucketName, FrameId, FrameName};
use crate::note::Note;
use crate::range::{Closed, IndexValue};
use crate::request::{Coherent, Misfit, request};

request! {
    /// The command of a `DoPut`, in the descriptor of its first message.
    ///
    /// ```
    /// use shoots_proto::{FrameName, PutCommand, PutMode, decode, encode};
    ///
    /// let command = PutCommand {
    ///     mode: PutMode::Append,
    ///     message: Some("end of day".to_owned()),
    ///     ..PutCommand::new(FrameName::parse("prices")?)
    /// };
    /// let json = br#"{"name":"prices","mode":"append","message":"end of day"}"#;
    /// assert_eq!(encode(&command)?, json);
    /// assert_eq!(decode::<PutCommand>("put command", json)?, command);
    ///
    /// let refused = decode::<PutCommand>("put command", br#"{"name":"a","mode":"appendd"}"#);
    /// assert_eq!(
    ///     refused.unwrap_err().to_string(),
    ///     "put command: mode: must be `error`, `append`, `replace`, `update` or `upsert` (got `appendd`)"
    /// );
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub struct PutCommand () {
        /// The frame to put.
        pub name: FrameName,
        /// Its bucket; `None` is the default bucket. A missing bucket is created.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub bucket: Option<BucketName>,
        /// What to do with rows that are there.
        #[serde(default, deserialize_with = "field::or_default")]
        pub mode: PutMode,
        /// The columns that the rows are sorted by, at least one, each once. A frame keeps its index: once
        /// it has one, a put need not say it, and may not say another unless it replaces the frame.
        /// Mode `replace` replaces the index, too: without `index` the frame has none afterwards.
        #[serde(
            default,
            deserialize_with = "field::some_columns",
            skip_serializing_if = "Option::is_none"
        )]
        pub index: Option<Vec<String>>,
        /// Where the range of an update begins, on the first index column; with neither end given, the
        /// range is what the rows cover, both ends included. Only with mode `update`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub start: Option<IndexValue>,
        /// Where the range of an update stops. Only with mode `update`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub stop: Option<IndexValue>,
        /// Which of the given ends belong to the range; `None` is [`Closed::Left`]. Only with mode
        /// `update`, and with `start` or `stop`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub closed: Option<Closed>,
        /// Which rows in the range make way; `None` is [`UpdateScope::Range`]. Only with mode `update`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub scope: Option<UpdateScope>,
        /// How many rows the caller puts into one batch, at least 1. Only a hint.
        #[serde(
            default,
            deserialize_with = "field::positive_count",
            skip_serializing_if = "Option::is_none"
        )]
        pub batch_size: Option<u64>,
        /// What the commit says about itself.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub message: Option<String>,
        /// Who makes the commit. A server that knows its callers says so itself.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub author: Option<String>,
        /// Facts that the commit carries for programs.
        #[serde(
            default,
            deserialize_with = "crate::note::facts",
            skip_serializing_if = "Option::is_none"
        )]
        pub metadata: Option<Map<String, Value>>,
        /// Names this put, in 1 to 128 bytes: a second put of the same frame under the same id is not
        /// applied again, so a put whose answer got lost may be sent again.
        #[serde(
            default,
            deserialize_with = "field::request_id",
            skip_serializing_if = "Option::is_none"
        )]
        pub request_id: Option<String>,
        /// Whether the stream says itself that it is whole: its last message carries a [`PutSeal`] as metadata, and
        /// a stream that ends without one changes nothing. For clients whose library ends a stream well when their
        /// program fails, as Arrow's C++ does.
        #[serde(
            default,
            deserialize_with = "field::or_default",
            skip_serializing_if = "std::ops::Not::not"
        )]
        pub sealed: bool,
    }
}

impl PutCommand {
    /// A put of the frame `name` in the default bucket, with everything else at its default.
    #[must_use]
    pub fn new(name: FrameName) -> Self {
        Self {
            name,
            bucket: None,
            mode: PutMode::default(),
            index: None,
            start: None,
            stop: None,
            closed: None,
            scope: None,
            batch_size: None,
            message: None,
            author: None,
            metadata: None,
            request_id: None,
            sealed: false,
        }
    }

    /// The frame this command puts.
    #[must_use]
    pub fn frame(&self) -> FrameId {
        FrameId::new(self.bucket.clone(), self.name.clone())
    }

    /// What the commit is to say about itself.
    #[must_use]
    pub fn note(&self) -> Note {
        Note {
            message: self.message.clone(),
            author: self.author.clone(),
            metadata: self.metadata.clone(),
        }
    }
}

impl Coherent for PutCommand {
    fn check(&self) -> Result<(), Misfit> {
        if self.mode == PutMode::Update {
            let bounded = self.start.is_some() || self.stop.is_some();
            return match self.closed {
                Some(_) if !bounded => Err(Misfit::new(
                    "closed",
                    "goes only with `start` or `stop`: without them the range is what the rows cover",
                )),
                _ => Ok(()),
            };
        }
        let of_updates = [
            ("start", self.start.is_some()),
            ("stop", self.stop.is_some()),
            ("closed", self.closed.is_some()),
            ("scope", self.scope.is_some()),
        ];
        match of_updates.into_iter().find(|(_, given)| *given) {
            Some((field, _)) => Err(Misfit::new(
                field,
                format!("goes only with mode `update` (the mode is `{}`)", self.mode),
            )),
            None => Ok(()),
        }
    }
}

request! {
    /// The end of a sealed put: the metadata of its last message, which has no rows.
    ///
    /// ```
    /// use shoots_proto::{PutSeal, decode};
    ///
    /// let seal: PutSeal = decode("seal", br#"{"rows":100}"#)?;
    /// assert_eq!(seal.rows, 100);
    /// # Ok::<(), shoots_proto::RequestError>(())
    /// ```
    #[derive(Eq)]
    pub struct PutSeal () {
        /// How many rows the put has.
        pub rows: u64,
    }
}

impl Coherent for PutSeal {}

/// What a put did: the JSON in the metadata of the `PutResult`, sent once the rows are durable.
///
/// ```
/// use shoots_proto::{PutResult, decode};
///
/// let json = br#"{"version":3,"commit":"9f86d081","rows":100,"bytes":2048,"rows_removed":40}"#;
/// let result: PutResult = decode("put result", json)?;
/// assert_eq!((result.version, result.rows, result.rows_removed), (3, 100, 40));
/// # Ok::<(), shoots_proto::RequestError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(expecting = "a JSON object")]
pub struct PutResult {
    /// The version this put got.
    pub version: u64,
    /// The id of its commit, in hexadecimal digits.
    pub commit: String,
    /// How many rows it added.
    pub rows: u64,
    /// How many bytes it added to the store.
    pub bytes: u64,
    /// How many rows were there before and made way: those that an update, an upsert or a replacement took the place of.
    #[serde(default)]
    pub rows_removed: u64,
    /// How many rows the frame has after it.
    #[serde(default)]
    pub frame_rows: u64,
    /// Columns that an upsert added to those that the frame had.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub columns_added: Vec<String>,
}
