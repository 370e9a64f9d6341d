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
/// `note`.
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
                #[serde(default, skip_serializing_if = "Option::is_none")]
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
