//! What is sent to a target: a few parts, each some bytes, and how they are kept in a file.

use std::path::Path;

/// The parts of an input. What each of them is, the target says.
pub(crate) type Input = Vec<Vec<u8>>;

/// Writes an input into a file: of each part its length, in four bytes with the lowest first, and its bytes.
pub(crate) fn write(input: &Input, file: &Path) {
    let mut bytes = Vec::new();
    for part in input {
        bytes.extend(u32::try_from(part.len()).unwrap().to_le_bytes());
        bytes.extend(part);
    }
    std::fs::write(file, bytes).unwrap();
}

/// Reads what [`write`] has written.
pub(crate) fn read(file: &Path) -> Input {
    let bytes = std::fs::read(file).unwrap();
    let mut rest = bytes.as_slice();
    let mut input = Vec::new();
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let length = usize::try_from(u32::from_le_bytes(*length)).unwrap();
        let (part, after) = after.split_at(length);
        input.push(part.to_vec());
        rest = after;
    }
    input
}

/// An input of text.
pub(crate) fn texts<const N: usize>(parts: [&str; N]) -> Input {
    parts.map(|part| part.as_bytes().to_vec()).to_vec()
}

/// What can be read of an input, for people.
pub(crate) fn described(input: &Input) -> String {
    let part = |part: &Vec<u8>| {
        let shown: String = part.escape_ascii().take(300).map(char::from).collect();
        format!("  {} bytes: {shown}\n", part.len())
    };
    input.iter().map(part).collect()
}

#[test]
fn what_is_written_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("input");
    for input in [
        vec![],
        vec![vec![]],
        vec![b"a".to_vec(), vec![], vec![0xff; 300]],
    ] {
        write(&input, &file);
        assert_eq!(read(&file), input);
    }
}
