//! How requests are defined: strict readers, written once.
//!
//! [`request!`] defines a request as a struct whose reader refuses unknown fields, anything but a
//! JSON object, and fields that are right alone but not [together](Coherent). It adds the fields
//! that many requests share: those that name a frame, and those of a [`Note`](crate::Note). So they
//! mean the same everywhere, and no reader can be made that skips a check.

/// Defines a request: its struct, how it is read, and how it is written.
///
/// In parentheses stand the groups of fields that it shares with others, in this order: `frame` adds
/// `name`, `bucket` and a method `frame`; `note` adds `message`, `author`, `metadata` and a method
/// `note`; `transfer`, which goes with no other, adds the remote and which frames are moved; `resampling` adds what a [`Resampling`](crate::action::Resampling) has besides its rule and functions.
macro_rules! request {
    (
        $(#[$attribute:meta])*
        $visibility:vis struct $name:ident (frame $(, $more:ident)*) { $($fields:tt)* }
    ) => {
        $crate::request::request! {
            $(#[$attribute])*
            $visibility struct $name ($($more),*) {
                /// The frame's name.
                pub name: $crate::name::FrameName,
                /// Its bucket; `None` is the default bucket.
                #[serde(default, skip_serializing_if = "Option::is_none")]
                pub bucket: Option<$crate::name::BucketName>,
                $($fields)*
            }
        }

        impl $name {
            /// The frame this is about.
            #[must_use]
            $visibility fn frame(&self) -> $crate::name::FrameId {
                $crate::name::FrameId::new(self.bucket.clone(), self.name.clone())
            }
        }
    };
    (
        $(#[$attribute:meta])*
        $visibility:vis struct $name:ident (resampling $(, $more:ident)*) { $($fields:tt)* }
    ) => {
        $crate::request::request! {
            $(#[$attribute])*
            $visibility struct $name ($($more),*) {
                $($fields)*
                /// The column of times; `None` is the first of the index.
                #[serde(default, skip_serializing_if = "Option::is_none")]
                pub time_col: Option<String>,
                /// The columns that functions are applied to; `None` is every column but the time and those of
                /// `by`.
                #[serde(
                    default,
                    deserialize_with = "crate::field::some_columns",
                    skip_serializing_if = "Option::is_none"
                )]
                pub columns: Option<Vec<String>>,
                /// Columns whose values are resampled each on their own.
                #[serde(
                    default,
                    deserialize_with = "crate::field::any_columns",
                    skip_serializing_if = "Vec::is_empty"
                )]
                pub by: Vec<String>,
                /// Which end belongs to a bin; `None` is as the rule has it.
                #[serde(default, skip_serializing_if = "Option::is_none")]
                pub closed: Option<$crate::resampling::BinEnd>,
                /// Which end a bin is named after; `None` is as the rule has it.
                #[serde(default, skip_serializing_if = "Option::is_none")]
                pub label: Option<$crate::resampling::BinEnd>,
                /// From where bins are counted: `epoch`, `start`, `start_day`, `end`, `end_day` or a time.
                #[serde(default, skip_serializing_if = "Option::is_none")]
                pub origin: Option<String>,
                /// How far bins are moved, such as `15min`.
                #[serde(default, skip_serializing_if = "Option::is_none")]
                pub offset: Option<String>,
                /// The zone in whose days and hours bins are counted, such as `Europe/Berlin`.
                #[serde(default, skip_serializing_if = "Option::is_none")]
                pub time_zone: Option<String>,
                /// What stands in bins without rows: `null`, `drop`, `forward`, `backward`, `linear` or a value.
                #[serde(
                    default,
                    deserialize_with = "crate::resampling::fill",
                    skip_serializing_if = "Option::is_none"
                )]
                pub fill: Option<$crate::range::IndexValue>,
                /// Leaves out columns that a function cannot take, instead of refusing them.
                #[serde(
                    default,
                    deserialize_with = "crate::field::or_default",
                    skip_serializing_if = "std::ops::Not::not"
                )]
                pub numeric_only: bool,
                /// Which quantile the function `quantile` gives, from 0 to 1; `None` is the median.
                #[serde(
                    default,
                    deserialize_with = "crate::resampling::quantile",
                    skip_serializing_if = "Option::is_none"
                )]
                pub quantile: Option<serde_json::Number>,
            }
        }
    };
    (
        $(#[$attribute:meta])*
        $visibility:vis struct $name:ident (transfer) { $($fields:tt)* }
    ) => {
        $crate::request::request! {
            $(#[$attribute])*
            $visibility struct $name () {
                /// The remote at the other end.
                pub remote: $crate::remote::RemoteName,
                /// The frame, as it is called where it comes from; `None` is every frame of the bucket.
                #[serde(default, skip_serializing_if = "Option::is_none")]
                pub name: Option<$crate::name::FrameName>,
                /// Its bucket there; `None` is the default bucket.
                #[serde(default, skip_serializing_if = "Option::is_none")]
                pub bucket: Option<$crate::name::BucketName>,
                /// A regular expression that finds a match in the names of frames; `None` is every frame.
                #[serde(
                    default,
                    deserialize_with = "crate::field::filled",
                    skip_serializing_if = "Option::is_none"
                )]
                pub regex: Option<String>,
                /// The frames of every bucket.
                #[serde(
                    default,
                    deserialize_with = "crate::field::or_default",
                    skip_serializing_if = "std::ops::Not::not"
                )]
                pub all_buckets: bool,
                /// What the frame is called where it goes to; `None` is the same.
                #[serde(default, skip_serializing_if = "Option::is_none")]
                pub target: Option<$crate::name::FrameName>,
                /// The bucket that the frames go to. A missing field is the one that they come from, and `null` is the
                /// default bucket.
                #[serde(
                    default,
                    deserialize_with = "crate::field::given",
                    skip_serializing_if = "Option::is_none"
                )]
                pub target_bucket: Option<Option<$crate::name::BucketName>>,
                $($fields)*
            }
        }

        impl $name {
            /// Which frames it is about, as they are called where they come from.
            #[must_use]
            $visibility fn frames(&self) -> $crate::action::sync::FrameSelection {
                self.selected().frames()
            }

            /// What one of these frames is called where it goes to.
            #[must_use]
            $visibility fn target_of(&self, frame: &$crate::name::FrameId) -> $crate::name::FrameId {
                self.selected().target_of(frame)
            }

            fn selected(&self) -> $crate::action::sync::verbs::Selected<'_> {
                $crate::action::sync::verbs::Selected {
                    name: self.name.as_ref(),
                    bucket: self.bucket.as_ref(),
                    regex: self.regex.as_deref(),
                    all_buckets: self.all_buckets,
                    target: self.target.as_ref(),
                    target_bucket: self.target_bucket.as_ref(),
                }
            }
        }
    };
    (
        $(#[$attribute:meta])*
        $visibility:vis struct $name:ident (note) { $($fields:tt)* }
    ) => {
        $crate::request::request! {
            $(#[$attribute])*
            $visibility struct $name () {
                $($fields)*
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
                pub metadata: Option<serde_json::Map<String, serde_json::Value>>,
            }
        }

        impl $name {
            /// What the commit is to say about itself.
            #[must_use]
            $visibility fn note(&self) -> $crate::note::Note {
                $crate::note::Note {
                    message: self.message.clone(),
                    author: self.author.clone(),
                    metadata: self.metadata.clone(),
                }
            }
        }
    };
    (
        $(#[$attribute:meta])*
        $visibility:vis struct $name:ident () {
            $($(#[$field_attribute:meta])* $field_visibility:vis $field:ident: $type:ty,)*
        }
    ) => {
        $(#[$attribute])*
        #[derive(Clone, Debug, PartialEq, serde::Serialize)]
        $visibility struct $name {
            $($(#[$field_attribute])* $field_visibility $field: $type,)*
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                #[derive(serde::Deserialize)]
                #[serde(deny_unknown_fields, expecting = "a JSON object")]
                struct Fields {
                    $($(#[$field_attribute])* $field: $type,)*
                }

                let objects = $crate::decode::StructsAreObjects(deserializer);
                let Fields { $($field),* } = serde::Deserialize::deserialize(objects)?;
                let request = $name { $($field),* };
                $crate::request::Coherent::check(&request).map_err(serde::de::Error::custom)?;
                Ok(request)
            }
        }
    };
}
pub(crate) use request;

/// A request whose fields may be right alone and wrong together.
pub(crate) trait Coherent {
    /// Finds the field that does not go with the others.
    fn check(&self) -> Result<(), Misfit> {
        Ok(())
    }
}

/// A field that does not go with the others. [`decode`](crate::decode::decode) reads its text back,
/// so that the refusal names the field as it does for every other mistake.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("field `{field}`: {problem}")]
pub(crate) struct Misfit {
    field: &'static str,
    problem: String,
}

impl Misfit {
    pub(crate) fn new(field: &'static str, problem: impl Into<String>) -> Self {
        Self {
            field,
            problem: problem.into(),
        }
    }
}
