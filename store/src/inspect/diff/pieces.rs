//! Which parts of the segments of two states have to be compared.

use std::collections::HashMap;
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};
use roaring::RoaringBitmap;

use crate::error::{Error, Result};
use crate::frame_log::FrameLog;
use crate::log::change::Segment;
use crate::read::{Files, Piece, Source};

/// Segments whose deletion vectors and schemas are looked up at the same time.
const PARALLEL_LOOKS: usize = 8;

/// What is not the same in both states at first sight.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    pub(super) from: Vec<Piece>,
    pub(super) to: Vec<Piece>,
    /// Whether the states have a segment in common.
    pub(super) related: bool,
}

impl Pieces {
    pub(super) async fn find(from: &Source, to: &Source) -> Result<Self> {
        let (Files::Segments(old), Files::Segments(new)) = (&from.files, &to.files) else {
            return Err(Error::invalid("from", "a plain file has no versions"));
        };
        let mut others: HashMap<&str, &Segment> = new
            .iter()
            .map(|segment| (segment.record.id.as_str(), segment))
            .collect();
        let mut pairs: Vec<(Option<&Segment>, Option<&Segment>)> = Vec::new();
        let mut related = false;
        for segment in old {
            let other = others.remove(segment.record.id.as_str());
            related |= other.is_some();
            if other.is_none_or(|other| other.hidden != segment.hidden) {
                pairs.push((Some(segment), other));
            }
        }
        let only_new = new
            .iter()
            .filter(|segment| others.contains_key(segment.record.id.as_str()));
        pairs.extend(only_new.map(|segment| (None, Some(segment))));
        let looks: Vec<_> = pairs
            .into_iter()
            .map(|(old, new)| both(&from.log, old, new))
            .collect();
        let mut looks = stream::iter(looks).buffered(PARALLEL_LOOKS);
        let mut found = Self {
            related,
            ..Self::default()
        };
        while let Some((old, new)) = looks.try_next().await? {
            found.from.extend(old.filter(|piece| piece.visible() > 0));
            found.to.extend(new.filter(|piece| piece.visible() > 0));
        }
        Ok(found)
    }

    /// Whether it is known of all between which keys they lie.
    pub(super) fn have_ranges(&self) -> bool {
        let mut all = self.from.iter().chain(&self.to);
        all.all(|piece| piece.range.is_some())
    }
}

/// What only one state has of a segment.
async fn both(
    log: &FrameLog,
    old: Option<&Segment>,
    new: Option<&Segment>,
) -> Result<(Option<Piece>, Option<Piece>)> {
    let look = async |segment: Option<&Segment>| match segment {
        Some(segment) => Piece::whole(log, segment).await.map(Some),
        None => Ok(None),
    };
    let (old, new) = (look(old).await?, look(new).await?);
    let (Some(old), Some(new)) = (&old, &new) else {
        return Ok((old, new));
    };
    Ok((visible_beside(old, new), visible_beside(new, old)))
}

/// The rows of a piece that are hidden in another piece of the same segment.
fn visible_beside(piece: &Piece, other: &Piece) -> Option<Piece> {
    let none = Arc::default();
    let own: &RoaringBitmap = piece.hidden.as_ref().unwrap_or(&none);
    let theirs = other.hidden.as_ref().unwrap_or(&none);
    let rows = &**theirs - own;
    let (first, last) = (rows.min()?, rows.max()?);
    let mut hidden = RoaringBitmap::new();
    hidden.insert_range(first..=last);
    let mut part = piece.clone();
    part.rows = u64::from(first)..u64::from(last) + 1;
    part.hidden = Some(Arc::new(hidden - rows));
    Some(part)
}
