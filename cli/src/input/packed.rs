//! Files that hold another one: those that are unpacked as they are read, and those that are not read at all.

use std::io::{self, Read};

use flate2::read::MultiGzDecoder;

use crate::failure::Failure;

/// How a file is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packing {
    Gzip,
    Zstd,
}

impl Packing {
    /// What the first bytes of a file tell.
    pub(super) fn of(head: &[u8]) -> Option<Self> {
        match head {
            [0x1f, 0x8b, ..] => Some(Self::Gzip),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Self::Zstd),
            _ => None,
        }
    }

    /// The bytes that are compressed in others.
    pub(super) fn reader(
        self,
        packed: impl Read + Send + 'static,
    ) -> io::Result<Box<dyn Read + Send>> {
        Ok(match self {
            Self::Gzip => Box::new(MultiGzDecoder::new(packed)),
            Self::Zstd => Box::new(zstd::stream::read::Decoder::new(packed)?),
        })
    }
}

/// The name of a file without the ending that says how it is compressed.
pub(super) fn without_packing(name: &str) -> &str {
    let ending = |(_, ending): &(&str, &str)| {
        ["gz", "gzip", "zst", "zstd"]
            .iter()
            .any(|known| ending.eq_ignore_ascii_case(known))
    };
    name.rsplit_once('.')
        .filter(ending)
        .map_or(name, |(name, _)| name)
}

/// Refuses what would be read as something that it is not, by its first bytes.
pub(super) fn check_readable(name: &str, head: &[u8]) -> Result<(), Failure> {
    let problem = match head {
        [b'P', b'K', 3, 4, ..] if is_spreadsheet(name) => "is a spreadsheet: save it as CSV first",
        [0xd0, 0xcf, 0x11, 0xe0, ..] => "is a spreadsheet: save it as CSV first",
        [b'P', b'K', 3, 4, ..] => {
            "is a zip archive (or a spreadsheet): unpack it first, as in `unzip -p FILE | shoots put - --name NAME`"
        }
        [b'B', b'Z', b'h', ..] => {
            "is compressed with bzip2: unpack it first, as in `bzcat FILE | shoots put - --name NAME`"
        }
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => {
            "is compressed with xz: unpack it first, as in `xzcat FILE | shoots put - --name NAME`"
        }
        _ => return Ok(()),
    };
    Err(Failure::usage(format!("{name} {problem}")))
}

fn is_spreadsheet(name: &str) -> bool {
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
    ["xlsx", "xlsm", "xlsb", "ods"]
        .iter()
        .any(|known| ending.eq_ignore_ascii_case(known))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ending_that_tells_the_packing_is_no_part_of_the_name() {
        for (name, expected) in [
            ("a.csv.gz", "a.csv"),
            ("a.csv.ZST", "a.csv"),
            ("a.csv", "a.csv"),
            ("gz", "gz"),
            ("a", "a"),
        ] {
            assert_eq!(without_packing(name), expected);
        }
    }

    #[test]
    fn what_is_not_read_is_told_with_what_to_do() {
        for (name, head, said) in [
            ("a.xlsx", b"PK\x03\x04".as_slice(), "save it as CSV"),
            ("a.xls", b"\xd0\xcf\x11\xe0", "save it as CSV"),
            ("a.csv.zip", b"PK\x03\x04", "unzip -p"),
            ("a.csv.bz2", b"BZh9", "bzcat"),
            ("a.csv.xz", b"\xfd7zXZ\0", "xzcat"),
        ] {
            let told = check_readable(name, head).unwrap_err().to_string();
            assert!(told.starts_with(name) && told.contains(said), "{told}");
        }
        assert!(check_readable("a.csv", b"PK,1").is_ok());
    }
}
