//! What can go wrong between record batches and Flight messages.
//!
//! The variants tell whose fault it is, which is what an end of the wire needs to know to
//! choose a status: the sending side's caller ([`Error::Unsupported`], [`Error::Batch`]), the
//! peer ([`Error::Malformed`], [`Error::Protocol`], and what is too large), or the encoder itself ([`Error::Encode`]).

use arrow_schema::ArrowError;

/// A failure to turn record batches into Flight messages or back.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A type in the schema has no form in the Arrow IPC format; nothing was sent.
    #[error("column {column:?} cannot be sent over Arrow Flight: {reason}; cast it first")]
    Unsupported {
        /// The column, with the path to a nested field.
        column: String,
        /// What the format cannot express.
        reason: &'static str,
    },
    /// A batch does not have the columns that the schema of its stream announces.
    #[error("a record batch does not fit the schema of its stream: {0}")]
    Batch(#[source] ArrowError),
    /// The IPC writer refused a batch.
    #[error("a record batch cannot be encoded: {0}")]
    Encode(#[source] ArrowError),
    /// A message from the peer does not hold what it announces.
    #[error("malformed Flight message: {0}")]
    Malformed(String),
    /// A batch has more rows than this end takes.
    #[error("a record batch has {rows} rows, and at most {most} are taken")]
    TooManyRows {
        /// How many it has.
        rows: u64,
        /// How many it may have.
        most: u64,
    },
    /// A batch is larger, once it is decompressed, than this end takes.
    #[error("a record batch takes {bytes} bytes in memory, and at most {most} are taken")]
    TooManyBytes {
        /// How many it takes.
        bytes: u64,
        /// How many it may take.
        most: u64,
    },
    /// Messages from the peer come in an order that Flight does not allow.
    #[error("the peer broke the Flight protocol: {0}")]
    Protocol(&'static str),
}

impl Error {
    /// Whether the peer that sent the messages is at fault, rather than this end.
    pub fn is_peers_fault(&self) -> bool {
        match self {
            Self::Malformed(_)
            | Self::Protocol(_)
            | Self::TooManyRows { .. }
            | Self::TooManyBytes { .. } => true,
            Self::Unsupported { .. } | Self::Batch(_) | Self::Encode(_) => false,
        }
    }
}
