//! Rows without an order are compared by their hashes.
//!
//! Of each row the first 128 bits of its BLAKE3 hash are counted: up where the second state has it, down where the
//! first does. What does not add up to zero differs, and is read once more if the rows themselves are wanted.
//!
//! The memory for the counts is bounded: of many rows, only those whose hashes fall into one of several shares are
//! counted at a time, and all are read again for the next share. So a comparison of frames without an index takes at
//! most [`ROWS_PER_PASS`] counts, about 100 MB, and time that grows with the square of the rows beyond that. Rows come
//! in the order of their segments within a share, the removed ones first.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use futures::TryStreamExt;

use super::columns::Columns;
use super::differences::{Differences, Kind, Output, Work};
use super::pieces::Pieces;
use super::{Encoder, visible};
use crate::error::Result;
use crate::read::Piece;

/// Rows whose hashes are counted at the same time.
const ROWS_PER_PASS: u64 = 2 << 20;

/// How often the second state has a row more than the first.
type Counts = HashMap<u128, i64>;

/// A comparison by hashes.
pub(super) struct Hashed {
    columns: Arc<Columns>,
    pieces: Pieces,
    encoder: Encoder,
    passes: u128,
}

impl Hashed {
    pub(super) fn new(columns: Arc<Columns>, pieces: Pieces) -> Result<Self> {
        let encoder = Encoder::new(&columns)?;
        let rows = visible(&pieces.from) + visible(&pieces.to);
        Ok(Self {
            columns,
            pieces,
            encoder,
            passes: u128::from(rows.div_ceil(ROWS_PER_PASS).max(1)),
        })
    }

    /// How many rows only the first state has, and how many only the second.
    pub(super) async fn count(self) -> Result<(u64, u64)> {
        let (mut removed, mut added) = (0, 0);
        for pass in 0..self.passes {
            for count in self.counts(pass, None).await?.into_values() {
                match count {
                    ..0 => removed += count.unsigned_abs(),
                    _ => added += count.unsigned_abs(),
                }
            }
        }
        Ok((removed, added))
    }

    fn sides(&self) -> [(Kind, &[Piece]); 2] {
        [
            (Kind::Removed, &self.pieces.from),
            (Kind::Added, &self.pieces.to),
        ]
    }

    async fn counts(&self, pass: u128, output: Option<&Output>) -> Result<Counts> {
        let mut counts = Counts::new();
        for (kind, pieces) in self.sides() {
            for piece in pieces {
                let mut batches = self.columns.read(kind, piece.clone());
                while let Some(batch) = batches.try_next().await? {
                    output.map_or(Ok(()), Output::check)?;
                    for row in &self.encoder.rows(&batch)? {
                        let hash = hash(row.as_ref());
                        if hash % self.passes == pass {
                            *counts.entry(hash).or_default() += step(kind);
                        }
                    }
                }
            }
        }
        counts.retain(|_, count| *count != 0);
        Ok(counts)
    }

    /// Reads the rows that were counted.
    async fn emit(&self, mut counts: Counts, output: &Output) -> Result<()> {
        for (kind, pieces) in self.sides() {
            for piece in pieces {
                let mut batches = self.columns.read(kind, piece.clone());
                while let Some(batch) = batches.try_next().await? {
                    output.check()?;
                    let mut rows = Vec::new();
                    for (number, row) in self.encoder.rows(&batch)?.iter().enumerate() {
                        let count = counts.get_mut(&hash(row.as_ref()));
                        if let Some(count) = count.filter(|count| **count * step(kind) > 0) {
                            *count -= step(kind);
                            rows.push(number);
                        }
                    }
                    if !rows.is_empty() {
                        output.send(Differences::of(batch, rows, kind)).await?;
                    }
                }
            }
        }
        Ok(())
    }
}

#[async_trait]
impl Work for Hashed {
    async fn run(self, output: &Output) -> Result<()> {
        for pass in 0..self.passes {
            let counts = self.counts(pass, Some(output)).await?;
            if !counts.is_empty() {
                self.emit(counts, output).await?;
            }
        }
        Ok(())
    }
}

fn step(kind: Kind) -> i64 {
    match kind {
        Kind::Removed => -1,
        Kind::Added => 1,
    }
}

fn hash(row: &[u8]) -> u128 {
    let hash = blake3::hash(row);
    let mut first = [0; 16];
    first.copy_from_slice(&hash.as_bytes()[..16]);
    u128::from_le_bytes(first)
}
