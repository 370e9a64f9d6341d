//! Messages in a file, in the IPC stream format of Arrow: what [`encode`](crate::encode) makes of batches, laid out so
//! that whoever maps the file into memory finds every buffer aligned and copies none.
//!
//! The stream format and not the file format, because only in a stream can a dictionary be followed by another one, as
//! it can in the rows of a frame.

use std::io::{self, Write};

use arrow_flight::FlightData;
use bytes::Bytes;

use crate::Error;
use crate::decode::unpanicked;

/// What every body is aligned to, from the beginning of the file: a cache line, as Arrow recommends.
const ALIGNMENT: usize = 64;
/// What each message begins with, and the length of its header after that.
const MARKER: [u8; 4] = [0xff; 4];
const PREFIX_BYTES: usize = 8;

/// How many bytes [`write_message`] writes for a message.
#[must_use]
pub fn message_bytes(message: &FlightData) -> usize {
    header_end(message) + message.data_body.len()
}

/// Writes a message behind those that are in the file. What it says besides (descriptor, metadata) is left out.
///
/// # Errors
/// If the file takes no more.
pub fn write_message(file: &mut impl Write, message: &FlightData) -> io::Result<()> {
    let end = header_end(message);
    let length = i32::try_from(end - PREFIX_BYTES).map_err(|_| io::ErrorKind::InvalidInput)?;
    let mut header = Vec::with_capacity(end);
    header.extend_from_slice(&MARKER);
    header.extend_from_slice(&length.to_le_bytes());
    header.extend_from_slice(&message.data_header);
    header.resize(end, 0);
    file.write_all(&header)?;
    file.write_all(&message.data_body)
}

/// Where the body begins, from the beginning of the message.
fn header_end(message: &FlightData) -> usize {
    (PREFIX_BYTES + message.data_header.len()).next_multiple_of(ALIGNMENT)
}

/// The messages of a file, one after the other, as parts of its bytes. They are to be given to
/// [`decode`](crate::decode).
pub fn read_messages(file: Bytes) -> impl Iterator<Item = Result<FlightData, Error>> {
    let mut rest = Some(file);
    std::iter::from_fn(move || {
        let file = rest.take().filter(|file| !file.is_empty())?;
        Some(first_message(file).map(|(message, others)| {
            rest = Some(others);
            message
        }))
    })
}

/// The first message, and what follows it.
fn first_message(mut file: Bytes) -> Result<(FlightData, Bytes), Error> {
    let prefix = take(&mut file, PREFIX_BYTES)?;
    let (marker, length) = prefix.split_at(MARKER.len());
    if marker != MARKER {
        return Err(malformed("a message does not begin as one"));
    }
    let length = length.try_into().map_or(-1, i32::from_le_bytes);
    let length = usize::try_from(length).map_err(|_| malformed("a length is negative"))?;
    let data_header = take(&mut file, length)?;
    let body = unpanicked("a message of a file", || {
        let header = arrow_ipc::root_as_message(&data_header);
        Ok(header.map(|header| header.bodyLength()).unwrap_or(-1))
    })?;
    let body = usize::try_from(body).map_err(|_| malformed("a message has no body length"))?;
    let message = FlightData {
        data_header,
        data_body: take(&mut file, body)?,
        ..FlightData::default()
    };
    Ok((message, file))
}

fn take(file: &mut Bytes, bytes: usize) -> Result<Bytes, Error> {
    if bytes > file.len() {
        return Err(malformed("it ends within a message"));
    }
    Ok(file.split_to(bytes))
}

fn malformed(problem: &str) -> Error {
    Error::Malformed(format!("cannot read a file of rows: {problem}"))
}
