//! The actions that ask how a store is: `verify`, `usage`.

use serde::{Deserialize, Serialize};

use crate::field;
use crate::name::{BucketName, FrameName};
use crate::request::{Coherent, Misfit, request};

request! {
    /// Checks stored objects against the hashes that were recorded for them.
    ///
    /// ```
    /// use shoots_proto::action::{VERIFY, VerifyRequest};
    /// use shoots_proto::decode;
    ///
    /// let request: VerifyRequest = decode(VERIFY, br#"{"all_buckets":true,"sample":0.1}"#)?;
    /// assert_eq!(request.sample, Some(0.1));
    /// # Ok::<(), shoots_proto::RequestError>(())
    /// ```
    #[derive(Default)]
    pub struct VerifyRequest () {
        /// The frame; `None` is every frame of the bucket.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub name: Option<FrameName>,
        /// The bucket; `None` is the default bucket, unless `all_buckets` is set.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub bucket: Option<BucketName>,
        /// Check the frames of every bucket. It goes with neither `name` nor `bucket`.
        #[serde(
            default,
            deserialize_with = "field::or_default",
            skip_serializing_if = "std::ops::Not::not"
        )]
        pub all_buckets: bool,
        /// The share of the segments whose bytes are read, more than 0 and at most 1; `None` is all
        /// of them. That an object is there, and how long it is, is checked for each.
        #[serde(
            default,
            deserialize_with = "field::share",
            skip_serializing_if = "Option::is_none"
        )]
        pub sample: Option<f64>,
    }
}

impl Coherent for VerifyRequest {
    fn check(&self) -> Result<(), Misfit> {
        if self.all_buckets && (self.name.is_some() || self.bucket.is_some()) {
            let problem = "goes with neither `name` nor `bucket`; leave it or them out";
            return Err(Misfit::new("all_buckets", problem));
        }
        Ok(())
    }
}

/// What checking stored objects found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(expecting = "a JSON object")]
pub struct VerifyResult {
    /// How many frames were checked.
    pub frames: u64,
    /// How many objects of theirs were checked.
    pub objects: u64,
    /// How many bytes were read for it.
    pub bytes: u64,
    /// Objects that should be there and are not.
    pub missing: Vec<FaultyObject>,
    /// Objects whose bytes are not what was written.
    pub damaged: Vec<FaultyObject>,
    /// Objects that nothing refers to and the sweep has not removed so far. They do no harm.
    pub unreferenced: Vec<UnreferencedObject>,
    /// Whether nothing is missing or damaged.
    pub ok: bool,
}

/// An object that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(expecting = "a JSON object")]
pub struct FaultyObject {
    /// Where it is, from the root of the store.
    pub object: String,
    /// What is wrong with it, for people.
    pub problem: String,
}

/// An object that nothing refers to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(expecting = "a JSON object")]
pub struct UnreferencedObject {
    /// Where it is, from the root of the store.
    pub object: String,
    /// How long it is.
    pub bytes: u64,
}

request! {
    /// Asks what a bucket takes up, or each of them.
    #[derive(Default, Eq)]
    pub struct UsageRequest () {
        /// The bucket; `None` is the default bucket, unless `all_buckets` is set.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub bucket: Option<BucketName>,
        /// Ask about every bucket. It goes with no `bucket`.
        #[serde(
            default,
            deserialize_with = "field::or_default",
            skip_serializing_if = "std::ops::Not::not"
        )]
        pub all_buckets: bool,
    }
}

impl Coherent for UsageRequest {
    fn check(&self) -> Result<(), Misfit> {
        if self.all_buckets && self.bucket.is_some() {
            let problem = "goes without `bucket`; leave one of them out";
            return Err(Misfit::new("all_buckets", problem));
        }
        Ok(())
    }
}

/// What buckets take up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(expecting = "a JSON object")]
pub struct UsageResult {
    /// The buckets asked for, the default bucket first, then by name.
    pub buckets: Vec<BucketUsage>,
    /// How many bytes the disk has left; `None` where there is no such limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub free_bytes: Option<u64>,
    /// Below how many free bytes puts are refused; `None` where there is no such limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub low_space_bytes: Option<u64>,
}

/// What a bucket takes up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(expecting = "a JSON object")]
pub struct BucketUsage {
    /// The bucket; `None` is the default bucket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bucket: Option<BucketName>,
    /// How many frames it has.
    pub frames: u64,
    /// How many rows they have.
    pub rows: u64,
    /// The size of the segments of their newest versions.
    pub live_bytes: u64,
    /// The size of everything that is stored for the bucket.
    pub stored_bytes: u64,
    /// How many objects those are.
    pub objects: u64,
}
