//! The action that makes a frame of another one: `resample`.
//!
//! By SQL, the rows of a query go into the target. By time, the rows of the source are gathered into bins of time, and
//! one row of each bin goes into the target; [`Resampling`] says how, there and wherever else frames are resampled.
//!
//! Rules and functions are text here; what they mean is decided where they are followed.

use serde::{Deserialize, Serialize};

use crate::field;
use crate::mode::PutMode;
use crate::name::{BucketName, FrameId, FrameName};
use crate::range::IndexValue;
use crate::request::{Coherent, Misfit, request};
pub use crate::resampling::{Aggregations, BinEnd, Resampling};

request! {
    /// Puts into a frame what is made of another one, by SQL or by time, as one commit.
    ///
    /// ```
    /// use shoots_proto::action::{RESAMPLE, ResampleRequest};
    /// use shoots_proto::{PutMode, decode};
    ///
    /// let json = br#"{"source":"trades","target":"bars","rule":"1min","aggregation_func":"mean"}"#;
    /// let request: ResampleRequest = decode(RESAMPLE, json)?;
    /// assert_eq!(request.mode, PutMode::Append);
    /// assert_eq!(request.by_time().unwrap().rule, "1min");
    ///
    /// let json = br#"{"source":"trades","target":"dear","sql":"select * from trades where price > 9"}"#;
    /// let request: ResampleRequest = decode(RESAMPLE, json)?;
    /// assert!(request.by_time().is_none());
    /// # Ok::<(), shoots_proto::RequestError>(())
    /// ```
    pub struct ResampleRequest (resampling, note) {
        /// The frame to read.
        pub source: FrameName,
        /// Its bucket, which is also that of other frames that a query names alone; `None` is the default bucket.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub source_bucket: Option<BucketName>,
        /// The frame to put into. It may be the source itself, which is read as it was before.
        pub target: FrameName,
        /// Its bucket; `None` is the default bucket. A missing bucket is created.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub target_bucket: Option<BucketName>,
        /// What to do with rows that the target has.
        #[serde(default = "append", deserialize_with = "or_append")]
        pub mode: PutMode,
        /// The columns that the target's rows are sorted by, if this creates or replaces it; `None` is, by time, the time
        /// and the columns of `by`, and by SQL none.
        #[serde(
            default,
            deserialize_with = "field::columns",
            skip_serializing_if = "Option::is_none"
        )]
        pub index: Option<Vec<String>>,
        /// A query whose rows are put; it names the source by its name. In place of everything that is about time.
        #[serde(
            default,
            deserialize_with = "field::filled",
            skip_serializing_if = "Option::is_none"
        )]
        pub sql: Option<String>,
        /// How long a bin is, such as `5min`; required without `sql`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub rule: Option<String>,
        /// What is made of the rows of a bin; required without `sql`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub aggregation_func: Option<Aggregations>,
        /// Where the rows of the source begin, on the time; `None` is at the first.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub start: Option<IndexValue>,
        /// Where the rows of the source stop, on the time; rows exactly there are left out. `None` is at the last.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub stop: Option<IndexValue>,
        /// Names this change, in 1 to 128 bytes: a second one of the same target under the same id is not applied
        /// again.
        #[serde(
            default,
            deserialize_with = "field::request_id",
            skip_serializing_if = "Option::is_none"
        )]
        pub request_id: Option<String>,
        /// Whether the target follows the source from now on: what later commits to the source touch is computed anew.
        /// By time only.
        #[serde(
            default,
            deserialize_with = "field::or_default",
            skip_serializing_if = "std::ops::Not::not"
        )]
        pub continuous: bool,
    }
}

fn append() -> PutMode {
    PutMode::Append
}

fn or_append<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<PutMode, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_else(append))
}

impl ResampleRequest {
    /// Puts the rows of a query into a frame.
    #[must_use]
    pub fn sql(source: FrameId, target: FrameId, sql: impl Into<String>) -> Self {
        Self {
            sql: Some(sql.into()),
            ..Self::empty(source, target)
        }
    }

    /// Puts one row for each bin of time into a frame.
    #[must_use]
    pub fn time(source: FrameId, target: FrameId, resampling: Resampling) -> Self {
        let Resampling {
            rule,
            aggregation_func,
            time_col,
            columns,
            by,
            closed,
            label,
            origin,
            offset,
            time_zone,
            fill,
            numeric_only,
            quantile,
        } = resampling;
        Self {
            rule: Some(rule),
            aggregation_func: Some(aggregation_func),
            time_col,
            columns,
            by,
            closed,
            label,
            origin,
            offset,
            time_zone,
            fill,
            numeric_only,
            quantile,
            ..Self::empty(source, target)
        }
    }

    fn empty(source: FrameId, target: FrameId) -> Self {
        Self {
            source: source.name,
            source_bucket: source.bucket,
            target: target.name,
            target_bucket: target.bucket,
            mode: append(),
            index: None,
            sql: None,
            rule: None,
            aggregation_func: None,
            start: None,
            stop: None,
            request_id: None,
            continuous: false,
            time_col: None,
            columns: None,
            by: Vec::new(),
            closed: None,
            label: None,
            origin: None,
            offset: None,
            time_zone: None,
            fill: None,
            numeric_only: false,
            quantile: None,
            message: None,
            author: None,
            metadata: None,
        }
    }

    /// The frame to read.
    #[must_use]
    pub fn source(&self) -> FrameId {
        FrameId::new(self.source_bucket.clone(), self.source.clone())
    }

    /// The frame to put into.
    #[must_use]
    pub fn target(&self) -> FrameId {
        FrameId::new(self.target_bucket.clone(), self.target.clone())
    }

    /// How to resample by time; `None` if it is by SQL.
    #[must_use]
    pub fn by_time(&self) -> Option<Resampling> {
        let (rule, functions) = self.rule.clone().zip(self.aggregation_func.clone())?;
        Some(Resampling {
            rule,
            aggregation_func: functions,
            time_col: self.time_col.clone(),
            columns: self.columns.clone(),
            by: self.by.clone(),
            closed: self.closed,
            label: self.label,
            origin: self.origin.clone(),
            offset: self.offset.clone(),
            time_zone: self.time_zone.clone(),
            fill: self.fill.clone(),
            numeric_only: self.numeric_only,
            quantile: self.quantile.clone(),
        })
    }

    /// The fields that are about time and are given.
    fn about_time(&self) -> Option<&'static str> {
        let given = [
            ("rule", self.rule.is_some()),
            ("aggregation_func", self.aggregation_func.is_some()),
            ("start", self.start.is_some()),
            ("stop", self.stop.is_some()),
            ("time_col", self.time_col.is_some()),
            ("columns", self.columns.is_some()),
            ("by", !self.by.is_empty()),
            ("closed", self.closed.is_some()),
            ("label", self.label.is_some()),
            ("origin", self.origin.is_some()),
            ("offset", self.offset.is_some()),
            ("time_zone", self.time_zone.is_some()),
            ("fill", self.fill.is_some()),
            ("numeric_only", self.numeric_only),
            ("quantile", self.quantile.is_some()),
            ("continuous", self.continuous),
        ];
        given
            .into_iter()
            .find_map(|(field, given)| given.then_some(field))
    }
}

impl Coherent for ResampleRequest {
    fn check(&self) -> Result<(), Misfit> {
        if self.sql.is_some() {
            return match self.about_time() {
                None => Ok(()),
                Some(field) => {
                    let problem = "does not go with `sql`; say it in the query, or leave `sql` out";
                    Err(Misfit::new(field, problem))
                }
            };
        }
        let missing = match (&self.rule, &self.aggregation_func) {
            (Some(_), Some(_)) => return Ok(()),
            (None, _) => "rule",
            (Some(_), None) => "aggregation_func",
        };
        let problem = "is missing; give `rule` and `aggregation_func`, or `sql`";
        Err(Misfit::new(missing, problem))
    }
}

/// What resampling put into the target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(expecting = "a JSON object")]
pub struct ResampleResult {
    /// How many rows of the source were read; `None` by SQL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_rows: Option<u64>,
    /// How many rows were put into the target.
    pub target_rows: u64,
    /// The version that the target got.
    pub version: u64,
    /// The id of its commit, in hexadecimal digits.
    pub commit: String,
}
