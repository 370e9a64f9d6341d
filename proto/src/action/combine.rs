//! The action that makes a frame of several others: `combine`.

use std::fmt;
use std::str::FromStr;

use serde::de::{MapAccess, Visitor, value::MapAccessDeserializer};
use serde::{Deserialize, Deserializer, Serialize};

use crate::as_of::AsOf;
use crate::field;
use crate::mode::{PutMode, UnknownMode};
use crate::name::{BucketName, FrameId, FrameName};
use crate::range::IndexValue;
use crate::request::{Coherent, Misfit, request};

request! {
    /// Puts into a frame what is made of several others, as one commit.
    ///
    /// ```
    /// use shoots_proto::action::{COMBINE, CombineHow, CombineRequest};
    /// use shoots_proto::decode;
    ///
    /// let json = br#"{"how":"asof","sources":["trades",{"name":"quotes","as_of":-2}],"target":"priced",
    ///                 "on":"time","by":["symbol"],"tolerance":"2s"}"#;
    /// let request: CombineRequest = decode(COMBINE, json)?;
    /// assert_eq!(request.how, CombineHow::Asof);
    /// assert_eq!(request.on, ["time"]);
    ///
    /// let refused = decode::<CombineRequest>(COMBINE, br#"{"how":"inner","sources":["a","b"],"target":"c"}"#);
    /// assert!(refused.unwrap_err().to_string().starts_with("combine: on: is missing"));
    /// # Ok::<(), shoots_proto::RequestError>(())
    /// ```
    pub struct CombineRequest (note) {
        /// How the sources are combined.
        pub how: CombineHow,
        /// The frames to read, in this order: two for a join, any number for `concat`.
        pub sources: Vec<CombineSource>,
        /// The frame to put into. It may be one of the sources, which is read as it was before.
        pub target: FrameName,
        /// Its bucket; `None` is the default bucket. A missing bucket is created.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub target_bucket: Option<BucketName>,
        /// What to do with rows that the target has.
        #[serde(default, deserialize_with = "field::or_default")]
        pub mode: PutMode,
        /// The columns that the target's rows are sorted by, if this creates or replaces it.
        #[serde(
            default,
            deserialize_with = "field::some_columns",
            skip_serializing_if = "Option::is_none"
        )]
        pub index: Option<Vec<String>>,
        /// The columns that are compared, under one name in both frames; one for an as-of join. Not for `concat`.
        #[serde(
            default,
            deserialize_with = "names",
            skip_serializing_if = "Vec::is_empty"
        )]
        pub on: Vec<String>,
        /// The columns of the first frame that are compared, in place of `on`.
        #[serde(
            default,
            deserialize_with = "names",
            skip_serializing_if = "Vec::is_empty"
        )]
        pub left_on: Vec<String>,
        /// The columns of the second frame that they are compared with.
        #[serde(
            default,
            deserialize_with = "names",
            skip_serializing_if = "Vec::is_empty"
        )]
        pub right_on: Vec<String>,
        /// Columns that have to be equal too. Only for an as-of join.
        #[serde(
            default,
            deserialize_with = "names",
            skip_serializing_if = "Vec::is_empty"
        )]
        pub by: Vec<String>,
        /// Such columns of the first frame, in place of `by`.
        #[serde(
            default,
            deserialize_with = "names",
            skip_serializing_if = "Vec::is_empty"
        )]
        pub left_by: Vec<String>,
        /// The columns of the second frame that they have to be equal to.
        #[serde(
            default,
            deserialize_with = "names",
            skip_serializing_if = "Vec::is_empty"
        )]
        pub right_by: Vec<String>,
        /// How far apart two rows may be: for times a text such as `5min`, for dates also a number of days, for
        /// numbers a number. Only for an as-of join.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub tolerance: Option<IndexValue>,
        /// On which side of a row its partner is looked for; `None` is [`AsofDirection::Backward`]. Only for an as-of
        /// join.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub direction: Option<AsofDirection>,
        /// Whether a row at the very same place is a partner; `None` is yes. Only for an as-of join.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub allow_exact_matches: Option<bool>,
        /// What is appended to names that both frames have; `None` is `_x` and `_y`. Only for joins.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub suffixes: Option<(String, String)>,
        /// Let the rows come in the order of the index that the sources share. Only for `concat`.
        #[serde(
            default,
            deserialize_with = "field::or_default",
            skip_serializing_if = "std::ops::Not::not"
        )]
        pub sorted: bool,
        /// Names this change, in 1 to 128 bytes: a second one of the same target under the same id is not applied
        /// again.
        #[serde(
            default,
            deserialize_with = "field::request_id",
            skip_serializing_if = "Option::is_none"
        )]
        pub request_id: Option<String>,
    }
}

impl CombineRequest {
    /// Puts the sources, combined in this way, into `target`.
    #[must_use]
    pub fn new(
        how: CombineHow,
        sources: impl IntoIterator<Item = CombineSource>,
        target: FrameId,
    ) -> Self {
        Self {
            how,
            sources: sources.into_iter().collect(),
            target: target.name,
            target_bucket: target.bucket,
            mode: PutMode::default(),
            index: None,
            on: Vec::new(),
            left_on: Vec::new(),
            right_on: Vec::new(),
            by: Vec::new(),
            left_by: Vec::new(),
            right_by: Vec::new(),
            tolerance: None,
            direction: None,
            allow_exact_matches: None,
            suffixes: None,
            sorted: false,
            request_id: None,
            message: None,
            author: None,
            metadata: None,
        }
    }

    /// The frame to put into.
    #[must_use]
    pub fn target(&self) -> FrameId {
        FrameId::new(self.target_bucket.clone(), self.target.clone())
    }

    /// The fields that are only for some ways to combine: whether they are for this one, and given.
    fn fields(&self) -> [(&'static str, bool, bool); 11] {
        let (joins, asof) = (self.how != CombineHow::Concat, self.how == CombineHow::Asof);
        [
            ("on", joins, !self.on.is_empty()),
            ("left_on", joins, !self.left_on.is_empty()),
            ("right_on", joins, !self.right_on.is_empty()),
            ("by", asof, !self.by.is_empty()),
            ("left_by", asof, !self.left_by.is_empty()),
            ("right_by", asof, !self.right_by.is_empty()),
            ("tolerance", asof, self.tolerance.is_some()),
            ("direction", asof, self.direction.is_some()),
            (
                "allow_exact_matches",
                asof,
                self.allow_exact_matches.is_some(),
            ),
            ("suffixes", joins, self.suffixes.is_some()),
            ("sorted", !joins, self.sorted),
        ]
    }
}

impl Coherent for CombineRequest {
    fn check(&self) -> Result<(), Misfit> {
        let misplaced = self
            .fields()
            .into_iter()
            .find(|(_, fits, given)| *given && !fits);
        if let Some((field, ..)) = misplaced {
            let problem = format!("does not go with `how` `{}`; leave it out", self.how);
            return Err(Misfit::new(field, problem));
        }
        let sources = self.sources.len();
        if self.how == CombineHow::Concat {
            let problem = "must name at least one frame";
            return if sources == 0 {
                Err(Misfit::new("sources", problem))
            } else {
                Ok(())
            };
        }
        if sources != 2 {
            let problem = format!(
                "must name two frames for `how` `{}` (got {sources})",
                self.how
            );
            return Err(Misfit::new("sources", problem));
        }
        if self.on.is_empty() && self.left_on.is_empty() {
            let problem =
                "is missing; name the columns that are compared, or give `left_on` and `right_on`";
            return Err(Misfit::new("on", problem));
        }
        for (field, both, left, right) in [
            ("left_on", &self.on, &self.left_on, &self.right_on),
            ("left_by", &self.by, &self.left_by, &self.right_by),
        ] {
            if left.len() != right.len() {
                let problem = format!(
                    "names {} columns and its counterpart {}; name as many of each frame",
                    left.len(),
                    right.len()
                );
                return Err(Misfit::new(field, problem));
            }
            if !both.is_empty() && !left.is_empty() {
                let problem = "goes without the names for both frames; leave one of them out";
                return Err(Misfit::new(field, problem));
            }
        }
        if self.how == CombineHow::Asof && self.on.len() + self.left_on.len() != 1 {
            let problem =
                "must be one column for an as-of join; columns that have to be equal stand in `by`";
            return Err(Misfit::new("on", problem));
        }
        Ok(())
    }
}

request! {
    /// A frame that is combined with others; as JSON, its name alone or an object.
    #[derive(Eq)]
    pub struct NamedSource (frame) {
        /// The state to read; `None` is the newest.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub as_of: Option<AsOf>,
    }
}

impl Coherent for NamedSource {}

/// A frame that is combined with others: as JSON its name alone, or an object with `name`, `bucket` and `as_of`.
///
/// ```
/// use shoots_proto::AsOf;
/// use shoots_proto::action::CombineSource;
///
/// let read = |json| serde_json::from_str::<CombineSource>(json);
/// assert_eq!(read(r#""trades""#)?.frame().to_string(), "trades");
/// let source = read(r#"{"name":"trades","bucket":"nyc","as_of":-2}"#)?;
/// assert_eq!(source.frame().to_string(), "nyc/trades");
/// assert_eq!(source.as_of(), Some(&AsOf::Version(-2)));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct CombineSource(NamedSource);

impl CombineSource {
    /// A state of a frame; `None` is the newest.
    #[must_use]
    pub fn new(frame: FrameId, as_of: Option<AsOf>) -> Self {
        Self(NamedSource {
            name: frame.name,
            bucket: frame.bucket,
            as_of,
        })
    }

    /// The frame.
    #[must_use]
    pub fn frame(&self) -> FrameId {
        self.0.frame()
    }

    /// The state to read; `None` is the newest.
    #[must_use]
    pub fn as_of(&self) -> Option<&AsOf> {
        self.0.as_of.as_ref()
    }
}

impl From<FrameId> for CombineSource {
    fn from(frame: FrameId) -> Self {
        Self::new(frame, None)
    }
}

impl<'de> Deserialize<'de> for CombineSource {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Source;

        impl<'de> Visitor<'de> for Source {
            type Value = CombineSource;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("the name of a frame (a string), or a JSON object with `name`, `bucket`, `as_of`")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<CombineSource, E> {
                let name = FrameName::parse(text).map_err(E::custom)?;
                Ok(FrameId::new(None, name).into())
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<CombineSource, A::Error> {
                NamedSource::deserialize(MapAccessDeserializer::new(map)).map(CombineSource)
            }
        }

        deserializer.deserialize_any(Source)
    }
}

/// How frames are combined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CombineHow {
    /// The rows of one frame after those of the other.
    Concat,
    /// Pairs of rows that are equal in the columns of `on`.
    Inner,
    /// The same, and the rows of the first frame that find no partner.
    Left,
    /// The same, and the rows of the second frame that find no partner.
    Right,
    /// The same, and the rows of either frame that find no partner.
    Outer,
    /// Each row of the first frame with the row of the second that is nearest in the order of `on`.
    Asof,
}

impl CombineHow {
    /// The word as it is written in a request.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Concat => "concat",
            Self::Inner => "inner",
            Self::Left => "left",
            Self::Right => "right",
            Self::Outer => "outer",
            Self::Asof => "asof",
        }
    }
}

impl fmt::Display for CombineHow {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl FromStr for CombineHow {
    type Err = UnknownMode;

    fn from_str(text: &str) -> Result<Self, UnknownMode> {
        match text {
            "concat" => Ok(Self::Concat),
            "inner" => Ok(Self::Inner),
            "left" => Ok(Self::Left),
            "right" => Ok(Self::Right),
            "outer" => Ok(Self::Outer),
            "asof" => Ok(Self::Asof),
            _ => Err(UnknownMode::new(
                "`concat`, `inner`, `left`, `right`, `outer` or `asof`",
                text,
            )),
        }
    }
}

impl<'de> Deserialize<'de> for CombineHow {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        field::parsed(deserializer, "how frames are combined (a string)")
    }
}

/// On which side of a row an as-of join looks for its partner.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum AsofDirection {
    /// The last one that is not after it.
    #[default]
    Backward,
    /// The first one that is not before it.
    Forward,
    /// The nearer of both; the one before it, if they are equally near.
    Nearest,
}

impl AsofDirection {
    /// The word as it is written in a request.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Backward => "backward",
            Self::Forward => "forward",
            Self::Nearest => "nearest",
        }
    }
}

impl fmt::Display for AsofDirection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl FromStr for AsofDirection {
    type Err = UnknownMode;

    fn from_str(text: &str) -> Result<Self, UnknownMode> {
        match text {
            "backward" => Ok(Self::Backward),
            "forward" => Ok(Self::Forward),
            "nearest" => Ok(Self::Nearest),
            _ => Err(UnknownMode::new("`backward`, `forward` or `nearest`", text)),
        }
    }
}

impl<'de> Deserialize<'de> for AsofDirection {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        field::parsed(deserializer, "the direction of an as-of join (a string)")
    }
}

/// Reads one name of a column, or a list of them, each given once; none by default.
fn names<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    struct Names;

    impl<'de> Visitor<'de> for Names {
        type Value = Vec<String>;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("the name of a column (a string), or a list of them")
        }

        fn visit_unit<E: serde::de::Error>(self) -> Result<Vec<String>, E> {
            Ok(Vec::new())
        }

        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Vec<String>, E> {
            Ok(vec![text.to_owned()])
        }

        fn visit_seq<A: serde::de::SeqAccess<'de>>(
            self,
            mut list: A,
        ) -> Result<Vec<String>, A::Error> {
            let mut names = Vec::new();
            while let Some(name) = list.next_element()? {
                names.push(name);
            }
            field::each_once(names.iter())?;
            Ok(names)
        }
    }

    deserializer.deserialize_any(Names)
}

/// What combining put into the target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(expecting = "a JSON object")]
pub struct CombineResult {
    /// How many rows were put into the target.
    pub target_rows: u64,
    /// The version that the target got.
    pub version: u64,
    /// The id of its commit, in hexadecimal digits.
    pub commit: String,
}
