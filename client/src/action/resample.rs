//! What can be set when a frame is resampled into another.

use shoots_proto::action::{BinEnd, ResampleRequest};
use shoots_proto::{IndexValue, PutMode, RequestError};

use super::ActionCall;

impl ActionCall<ResampleRequest> {
    /// What to do with rows that the target has, instead of adding to them.
    pub fn mode(self, mode: PutMode) -> Self {
        self.with(|request| request.mode = mode)
    }

    /// The columns that the target is sorted by, if this creates or replaces it.
    pub fn index<C: Into<String>>(self, columns: impl IntoIterator<Item = C>) -> Self {
        let columns = columns.into_iter().map(Into::into).collect();
        self.with(|request| request.index = Some(columns))
    }

    /// The column of times, instead of the first of the index.
    pub fn time_col(self, column: impl Into<String>) -> Self {
        self.with(|request| request.time_col = Some(column.into()))
    }

    /// The columns that functions are applied to, instead of all.
    pub fn columns<C: Into<String>>(self, columns: impl IntoIterator<Item = C>) -> Self {
        let columns = columns.into_iter().map(Into::into).collect();
        self.with(|request| request.columns = Some(columns))
    }

    /// Columns whose values are resampled each on their own.
    pub fn by<C: Into<String>>(self, columns: impl IntoIterator<Item = C>) -> Self {
        let columns = columns.into_iter().map(Into::into).collect();
        self.with(|request| request.by = columns)
    }

    /// Which end belongs to a bin.
    pub fn closed(self, end: BinEnd) -> Self {
        self.with(|request| request.closed = Some(end))
    }

    /// Which end a bin is named after.
    pub fn label(self, end: BinEnd) -> Self {
        self.with(|request| request.label = Some(end))
    }

    /// From where bins are counted: `epoch`, `start`, `start_day`, `end`, `end_day` or a time.
    pub fn origin(self, origin: impl Into<String>) -> Self {
        self.with(|request| request.origin = Some(origin.into()))
    }

    /// How far bins are moved, such as `15min`.
    pub fn offset(self, offset: impl Into<String>) -> Self {
        self.with(|request| request.offset = Some(offset.into()))
    }

    /// The zone in whose days and hours bins are counted.
    pub fn time_zone(self, zone: impl Into<String>) -> Self {
        self.with(|request| request.time_zone = Some(zone.into()))
    }

    /// What stands in bins without rows: `drop`, `forward`, `backward`, `linear` or a value.
    pub fn fill(self, fill: impl Into<IndexValue>) -> Self {
        self.with(|request| request.fill = Some(fill.into()))
    }

    /// Leaves out what is no number.
    pub fn numeric_only(self) -> Self {
        self.with(|request| request.numeric_only = true)
    }

    /// Which quantile the function `quantile` gives, from 0 to 1.
    pub fn quantile(self, share: f64) -> Self {
        self.try_with(|request| {
            let given = (0.0..=1.0).contains(&share).then_some(share);
            let number = given.and_then(serde_json::Number::from_f64);
            let problem = format!("must be 0 to 1 (got {share})");
            let refused = || RequestError::new("resample", Some("quantile"), problem);
            request.quantile = Some(number.ok_or_else(refused)?);
            Ok(())
        })
    }

    /// Only rows whose time is not before this.
    pub fn start(self, start: impl Into<IndexValue>) -> Self {
        self.with(|request| request.start = Some(start.into()))
    }

    /// Only rows whose time is before this.
    pub fn stop(self, stop: impl Into<IndexValue>) -> Self {
        self.with(|request| request.stop = Some(stop.into()))
    }

    /// Lets the target follow the source from now on: after each change the bins that it touches are computed anew. The
    /// target must be new or empty, or be replaced.
    pub fn continuous(self) -> Self {
        self.with(|request| request.continuous = true)
    }
}
