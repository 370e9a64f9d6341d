//! Small objects that are sealed: a line of JSON that says what it is, and a line with the digest of the first.
//!
//! ```text
//! {"shoots":"remote","format":2,"object":"_remotes/origin/00000000000000000001.json",…}
//! {"digest":"<BLAKE3 of all bytes before this line>"}
//! ```

use bytes::Bytes;
use object_store::path::Path;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::{Cause, Error, Result};
use crate::log::entry::{decode_json, encode_json};

/// What is sealed.
pub(crate) trait Sealed: Serialize + DeserializeOwned {
    /// What it calls itself.
    const KIND: &'static str;
    /// The format that is written, and the newest one that is understood.
    const FORMAT: u32;
    /// The newest format that had no seal: a line of JSON alone.
    const UNSEALED: u32 = 0;

    /// Whether it belongs into this object: files can be put into each other's places.
    fn belongs_to(&self, object: &Path) -> bool;

    /// The bytes of the object.
    fn seal(&self) -> Result<Bytes> {
        let mut bytes = encode_json(&Line {
            shoots: Self::KIND,
            format: Self::FORMAT,
            content: self,
        })?;
        bytes.push(b'\n');
        let digest = blake3::hash(&bytes).to_hex().to_string();
        bytes.extend(encode_json(&Seal { digest })?);
        bytes.push(b'\n');
        Ok(bytes.into())
    }

    /// What the bytes of an object are.
    fn unseal(object: &Path, bytes: &[u8]) -> Result<Self> {
        let damaged = |problem: &str| Error::damaged(object, problem);
        let text = std::str::from_utf8(bytes).map_err(|_| damaged("it is not UTF-8"))?;
        if let Some(record) = Self::unsealed(text) {
            return Ok(record);
        }
        let lines = text
            .strip_suffix('\n')
            .and_then(|text| text.split_once('\n'));
        let (line, seal) = lines.ok_or_else(|| damaged("it is cut off"))?;
        let head: Head = decode_json(object, "content", line)?;
        if head.shoots != Self::KIND {
            return Err(damaged(&format!("it is no {}", Self::KIND)));
        }
        if head.format > Self::FORMAT {
            let (object, needs) = (object.to_string(), format!("format {}", head.format));
            return Err(Cause::Newer { object, needs }.into());
        }
        let seal: Seal = decode_json(object, "digest", seal)?;
        let covered = &bytes[..=line.len()];
        if blake3::hash(covered).to_hex().as_str() != seal.digest {
            return Err(damaged("its digest does not match its bytes"));
        }
        let record: Self = decode_json(object, "content", line)?;
        match record.belongs_to(object) {
            true => Ok(record),
            false => Err(damaged("it is another object's, put in its place")),
        }
    }

    /// What was written before there were seals.
    fn unsealed(text: &str) -> Option<Self> {
        let head: Head = serde_json::from_str(text).ok()?;
        let old = head.shoots == Self::KIND && head.format <= Self::UNSEALED;
        old.then(|| serde_json::from_str(text).ok()).flatten()
    }
}

/// The first line.
#[derive(Debug, Serialize)]
struct Line<'a, T> {
    shoots: &'static str,
    format: u32,
    #[serde(flatten)]
    content: &'a T,
}

/// What of it is looked at before all else.
#[derive(Debug, Deserialize)]
struct Head {
    shoots: String,
    format: u32,
}

/// The last line.
#[derive(Debug, Serialize, Deserialize)]
struct Seal {
    digest: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Note {
        text: String,
        number: Option<u64>,
    }

    impl Sealed for Note {
        const KIND: &'static str = "note";
        const FORMAT: u32 = 3;
        const UNSEALED: u32 = 2;

        fn belongs_to(&self, object: &Path) -> bool {
            object.as_ref() == "note"
        }
    }

    fn note() -> Note {
        Note {
            text: "of\nnew lines".to_owned(),
            number: Some(u64::MAX),
        }
    }

    #[test]
    fn what_is_sealed_is_read_as_it_was() {
        let object = Path::from("note");
        assert_eq!(
            Note::unseal(&object, &note().seal().unwrap()).unwrap(),
            note()
        );
    }

    #[test]
    fn what_lies_in_anothers_place_is_refused() {
        let sealed = note().seal().unwrap();
        let error = Note::unseal(&Path::from("other"), &sealed).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Damaged);
        assert!(error.to_string().contains("another object's"), "{error}");
    }

    #[test]
    fn what_was_written_before_there_were_seals_is_read() {
        let object = Path::from("note");
        for (line, read) in [
            (
                r#"{"shoots":"note","format":2,"text":"a","number":null}"#,
                true,
            ),
            (
                r#"{"shoots":"note","format":3,"text":"a","number":null}"#,
                false,
            ),
            (
                r#"{"shoots":"tone","format":2,"text":"a","number":null}"#,
                false,
            ),
        ] {
            assert_eq!(
                Note::unseal(&object, line.as_bytes()).is_ok(),
                read,
                "{line}"
            );
        }
    }

    #[test]
    fn no_bit_can_change_unseen() {
        let object = Path::from("note");
        let sealed = note().seal().unwrap();
        for bit in 0..sealed.len() * 8 {
            let mut changed = sealed.to_vec();
            changed[bit / 8] ^= 1 << (bit % 8);
            let error = Note::unseal(&object, &changed).unwrap_err();
            let kinds = [ErrorKind::Damaged, ErrorKind::Newer];
            assert!(kinds.contains(&error.kind()), "{bit}: {error}");
        }
        for end in 0..sealed.len() {
            Note::unseal(&object, &sealed[..end]).unwrap_err();
        }
    }
}
