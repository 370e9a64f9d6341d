//! Naming a frame.

use shoots_proto::{BucketName, FrameId, FrameName, NameError, RequestError};

use crate::Error;

/// Anything that names a frame.
///
/// - `"flights"` is the frame in the default bucket, `"nyc/flights"` the one in the bucket
///   `nyc`. Neither name can contain a slash.
/// - `("nyc", "flights")` is the same as a pair of bucket and name.
/// - A [`FrameId`] or a [`FrameName`] that was checked before.
///
/// ```
/// use shoots_client::ToFrameId;
///
/// let frame = "nyc/flights".to_frame_id()?;
/// assert_eq!(frame, ("nyc", "flights").to_frame_id()?);
/// assert_eq!(frame.to_string(), "nyc/flights");
/// assert!("".to_frame_id().is_err());
/// # Ok::<_, shoots_client::Error>(())
/// ```
pub trait ToFrameId {
    /// The frame that is meant, or what is wrong with its name.
    fn to_frame_id(&self) -> Result<FrameId, Error>;
}

impl ToFrameId for str {
    fn to_frame_id(&self) -> Result<FrameId, Error> {
        let (bucket, name) = match self.split_once('/') {
            Some((bucket, name)) => (Some(bucket_name(bucket)?), name),
            None => (None, self),
        };
        let name = FrameName::parse(name).map_err(|error| refusal("frame name", error))?;
        Ok(FrameId::new(bucket, name))
    }
}

impl ToFrameId for String {
    fn to_frame_id(&self) -> Result<FrameId, Error> {
        self.as_str().to_frame_id()
    }
}

impl<B: AsRef<str>, N: AsRef<str>> ToFrameId for (B, N) {
    fn to_frame_id(&self) -> Result<FrameId, Error> {
        let name =
            FrameName::parse(self.1.as_ref()).map_err(|error| refusal("frame name", error))?;
        Ok(FrameId::new(Some(bucket_name(self.0.as_ref())?), name))
    }
}

impl ToFrameId for FrameName {
    fn to_frame_id(&self) -> Result<FrameId, Error> {
        Ok(FrameId::new(None, self.clone()))
    }
}

impl ToFrameId for FrameId {
    fn to_frame_id(&self) -> Result<FrameId, Error> {
        Ok(self.clone())
    }
}

impl<T: ToFrameId + ?Sized> ToFrameId for &T {
    fn to_frame_id(&self) -> Result<FrameId, Error> {
        (**self).to_frame_id()
    }
}

/// The bucket of this name.
pub(crate) fn bucket_name(text: &str) -> Result<BucketName, Error> {
    BucketName::parse(text).map_err(|error| refusal("bucket name", error))
}

fn refusal(what: &str, error: NameError) -> Error {
    RequestError::new(what, None, error).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_names_the_same_frame() {
        let expected = FrameId::new(
            Some(BucketName::parse("nyc").unwrap()),
            FrameName::parse("flights").unwrap(),
        );
        assert_eq!("nyc/flights".to_frame_id().unwrap(), expected);
        assert_eq!(String::from("nyc/flights").to_frame_id().unwrap(), expected);
        assert_eq!(
            ("nyc", String::from("flights")).to_frame_id().unwrap(),
            expected
        );
        assert_eq!(expected.to_frame_id().unwrap(), expected);
        assert_eq!("flights".to_frame_id().unwrap().bucket, None);
    }

    #[test]
    fn bad_names_say_which_part_is_bad() {
        for (text, part) in [
            ("", "frame name"),
            ("nyc/", "frame name"),
            ("/flights", "bucket name"),
            ("../flights", "bucket name"),
            ("a/b/c", "frame name"),
        ] {
            let error = text.to_frame_id().unwrap_err();
            assert_eq!(error.kind(), shoots_proto::ErrorKind::InvalidRequestError);
            assert!(error.to_string().starts_with(part), "{text}: {error}");
        }
    }
}
