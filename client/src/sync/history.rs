//! The history of a frame, asked for in parts: the few newest commits first, because most often the two ends differ by
//! those, and a server sends what it is asked for as fast as it can, not as it is read.

use futures::{StreamExt, TryStreamExt, stream};
use shoots_proto::action::{self, SyncHistoryRequest};
use shoots_proto::name::FrameId;
use shoots_store::{HistoryStream, Result};

use super::FlightPeer;

/// How many commits the parts have, in their order. After those comes all the rest.
const PARTS: [u64; 2] = [16, 256];
/// The longest part that is taken, as text, in bytes. A frame with a longer history can be cloned without it.
const PART_BYTES: usize = 512 << 20;

/// The history of the commit `from`. What the server refuses is an error at once.
pub(super) async fn told(peer: &FlightPeer, frame: &FrameId, from: &str) -> Result<HistoryStream> {
    let mut telling = Telling::new(peer.clone(), frame, from);
    telling.ask().await?;
    let records = stream::try_unfold(telling, |mut telling| async move {
        while let Some(records) = &mut telling.records {
            if let Some(record) = records.try_next().await? {
                telling.told += 1;
                return Ok(Some((record, telling)));
            }
            telling.records = None;
            if telling.has_more() {
                telling.ask().await?;
            }
        }
        Ok(None)
    });
    Ok(records.boxed())
}

/// How far a history has been told.
struct Telling {
    peer: FlightPeer,
    /// Asks for the part that is told.
    request: SyncHistoryRequest,
    parts: std::array::IntoIter<u64, { PARTS.len() }>,
    /// What is left of the part.
    records: Option<HistoryStream>,
    /// How many commits have come.
    told: u64,
}

impl Telling {
    fn new(peer: FlightPeer, frame: &FrameId, from: &str) -> Self {
        let FrameId { bucket, name } = frame.clone();
        let request = SyncHistoryRequest {
            name,
            bucket,
            from: from.to_owned(),
            skip: None,
            limit: None,
        };
        Self {
            peer,
            request,
            parts: PARTS.into_iter(),
            records: None,
            told: 0,
        }
    }

    /// Asks for the next part.
    async fn ask(&mut self) -> Result<()> {
        self.request.skip = (self.told > 0).then_some(self.told);
        self.request.limit = self.parts.next();
        let name = action::SYNC_HISTORY;
        let pieces = self.peer.pieces(name, &self.request).await?;
        let pieces = self.peer.at_most(name, PART_BYTES, pieces);
        self.records = Some(self.peer.lines(pieces));
        Ok(())
    }

    /// Whether there may be commits after the part that was told: it was as long as it could be.
    fn has_more(&self) -> bool {
        let before = self.request.skip.unwrap_or(0);
        let limit = self.request.limit;
        limit.is_some_and(|limit| self.told - before >= limit)
    }
}
