//! The action on a frame's columns: `alter`.
//!
//! Types are text here; what they mean is decided where types are known.

use std::collections::{BTreeMap, HashSet};

use serde::{Deserialize, Serialize};

use crate::field;
use crate::name::FrameId;
use crate::request::{Coherent, Misfit, request};

request! {
    /// Adds, drops, renames and widens columns, all in one commit that rewrites no rows.
    ///
    /// Every column is named as it is before the commit.
    ///
    /// ```
    /// use shoots_proto::action::{ALTER, AlterRequest};
    /// use shoots_proto::decode;
    ///
    /// let json = br#"{"name":"weather","add":[{"name":"dew","type":"Float32"}],
    ///     "rename":{"temp":"temperature"},"widen":{"visib":"Float64"}}"#;
    /// let request: AlterRequest = decode(ALTER, json)?;
    /// assert!(request.add[0].nullable);
    /// assert_eq!(request.rename["temp"], "temperature");
    /// # Ok::<(), shoots_proto::RequestError>(())
    /// ```
    pub struct AlterRequest (frame, note) {
        /// Columns to add after the last; rows that are there have null in them.
        #[serde(
            default,
            deserialize_with = "field::or_default",
            skip_serializing_if = "Vec::is_empty"
        )]
        pub add: Vec<NewColumn>,
        /// Columns to drop.
        #[serde(
            default,
            deserialize_with = "field::any_columns",
            skip_serializing_if = "Vec::is_empty"
        )]
        pub drop: Vec<String>,
        /// Columns to rename, and what they are to be called.
        #[serde(
            default,
            deserialize_with = "field::by_column",
            skip_serializing_if = "BTreeMap::is_empty"
        )]
        pub rename: BTreeMap<String, String>,
        /// Columns to widen, and the types that they are to have, as text.
        #[serde(
            default,
            deserialize_with = "field::by_column",
            skip_serializing_if = "BTreeMap::is_empty"
        )]
        pub widen: BTreeMap<String, String>,
        /// Names this change, in 1 to 128 bytes: a second one of the same frame under the same id is
        /// not applied again.
        #[serde(
            default,
            deserialize_with = "field::request_id",
            skip_serializing_if = "Option::is_none"
        )]
        pub request_id: Option<String>,
    }
}

impl AlterRequest {
    /// Changes no column of `frame`: where a change starts.
    #[must_use]
    pub fn new(frame: FrameId) -> Self {
        Self {
            name: frame.name,
            bucket: frame.bucket,
            add: Vec::new(),
            drop: Vec::new(),
            rename: BTreeMap::new(),
            widen: BTreeMap::new(),
            request_id: None,
            message: None,
            author: None,
            metadata: None,
        }
    }
}

impl Coherent for AlterRequest {
    fn check(&self) -> Result<(), Misfit> {
        let parts = [
            self.add.len(),
            self.drop.len(),
            self.rename.len(),
            self.widen.len(),
        ];
        if parts == [0; 4] {
            let problem =
                "says nothing, nor do `drop`, `rename` and `widen`; give at least one change";
            return Err(Misfit::new("add", problem));
        }
        let changed = |column: &&String| {
            self.rename.contains_key(*column) || self.widen.contains_key(*column)
        };
        if self.drop.iter().any(|column| changed(&column)) {
            let problem = "lists a column that `rename` or `widen` changes; do one of the two";
            return Err(Misfit::new("drop", problem));
        }
        let mut taken = HashSet::new();
        if !self.rename.values().all(|name| taken.insert(name)) {
            let problem = "gives two columns one name; give each its own";
            return Err(Misfit::new("rename", problem));
        }
        if !self.add.iter().all(|column| taken.insert(&column.name)) {
            let problem =
                "gives two columns one name, or one that `rename` gives; give each its own";
            return Err(Misfit::new("add", problem));
        }
        Ok(())
    }
}

request! {
    /// A column to add.
    #[derive(Eq)]
    pub struct NewColumn () {
        /// What it is to be called.
        pub name: String,
        /// Its type, as text.
        pub r#type: String,
        /// Whether it may have nulls, as it must while there are rows.
        #[serde(default = "nullable", deserialize_with = "or_nullable")]
        pub nullable: bool,
    }
}

impl Coherent for NewColumn {}

fn nullable() -> bool {
    true
}

fn or_nullable<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_else(nullable))
}

/// What a change of columns led to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(expecting = "a JSON object")]
pub struct AlterResult {
    /// The version it got.
    pub version: u64,
    /// The id of its commit, in hexadecimal digits.
    pub commit: String,
    /// How many rows the frame has.
    pub rows: u64,
    /// The columns after it, in order.
    pub columns: Vec<Column>,
}

/// A column of a frame.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(expecting = "a JSON object")]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type, as text.
    pub r#type: String,
    /// Whether it may have nulls.
    pub nullable: bool,
}
