//! The lengths of a batch: whether its buffers have what its arrays announce.

use arrow_ipc::{Buffer, FieldNode, MetadataVersion, RecordBatch};
use arrow_schema::{ArrowError, DataType, UnionMode};

use super::wrong;
use crate::limits::decompressed_bytes;
use crate::schema::children;

/// More elements than any array has. Lengths below it can be multiplied by the width of an element.
const MOST_ELEMENTS: u64 = 1 << 48;

/// Refuses a batch for columns of these types, within `body`, whose arrays have lengths that their buffers cannot hold, or
/// that has other parts than its types want.
pub(crate) fn check<'t>(
    types: impl IntoIterator<Item = &'t DataType>,
    batch: RecordBatch<'_>,
    body: &[u8],
    version: MetadataVersion,
) -> Result<(), ArrowError> {
    let mut parts = Parts {
        nodes: batch.nodes().into_iter().flatten(),
        buffers: batch.buffers().into_iter().flatten(),
        variadic: batch.variadicBufferCounts().into_iter().flatten(),
        compressed: batch.compression().is_some(),
        body,
        version,
    };
    types.into_iter().try_for_each(|of| parts.array(of))?;
    match parts.variadic.next() {
        None => Ok(()),
        Some(_) => Err(wrong(
            "the batch counts buffers of columns that it does not have",
        )),
    }
}

/// What of a batch was not looked at so far, in the order in which it is read.
struct Parts<'a, N, B, V> {
    nodes: N,
    buffers: B,
    variadic: V,
    compressed: bool,
    body: &'a [u8],
    version: MetadataVersion,
}

impl<'f, N, B, V> Parts<'_, N, B, V>
where
    N: Iterator<Item = &'f FieldNode>,
    B: Iterator<Item = &'f Buffer>,
    V: Iterator<Item = i64>,
{
    fn array(&mut self, of: &DataType) -> Result<(), ArrowError> {
        let node = self.nodes.next();
        let node = node.ok_or_else(|| wrong("the batch has fewer arrays than its schema wants"))?;
        let length = count(node.length())?;
        let nulls = count(node.null_count())?;
        if nulls > length {
            let problem = format!("an array of {length} elements announces {nulls} nulls");
            return Err(wrong(problem));
        }
        match of {
            DataType::Null | DataType::RunEndEncoded(_, _) => {}
            DataType::Union(_, mode) => self.union(*mode, length)?,
            _ => self.validity(length, nulls)?,
        }
        self.skip(of)?;
        children(of)
            .into_iter()
            .try_for_each(|child| self.array(child.data_type()))
    }

    /// Looks at which of the elements are null.
    fn validity(&mut self, length: u64, nulls: u64) -> Result<(), ArrowError> {
        let bytes = self.next()?.1;
        match nulls == 0 || bytes >= length.div_ceil(8) {
            true => Ok(()),
            false => Err(short("which elements are null", bytes, length)),
        }
    }

    /// Looks at the types of a union's elements, and where they are.
    fn union(&mut self, mode: UnionMode, length: u64) -> Result<(), ArrowError> {
        if self.version < MetadataVersion::V5 {
            self.next()?;
        }
        let bytes = self.next()?.1;
        if bytes < length {
            return Err(short("the types of a union", bytes, length));
        }
        if mode == UnionMode::Dense {
            let (offset, bytes) = self.next()?;
            if bytes < length * 4 {
                return Err(short("the places in a union", bytes, length));
            }
            if !self.compressed && offset % 4 != 0 {
                return Err(wrong("the places in a union are not aligned"));
            }
        }
        Ok(())
    }

    /// Passes over the other buffers of an array, whose lengths are looked at when it is made.
    fn skip(&mut self, of: &DataType) -> Result<(), ArrowError> {
        match of {
            DataType::Null
            | DataType::Struct(_)
            | DataType::FixedSizeList(_, _)
            | DataType::RunEndEncoded(_, _)
            | DataType::Union(_, _) => Ok(()),
            DataType::Utf8 | DataType::Binary => self.whole(&[4, 1]),
            DataType::LargeUtf8 | DataType::LargeBinary => self.whole(&[8, 1]),
            DataType::List(_) | DataType::Map(_, _) => self.whole(&[4]),
            DataType::LargeList(_) => self.whole(&[8]),
            DataType::ListView(_) => self.whole(&[4, 4]),
            DataType::LargeListView(_) => self.whole(&[8, 8]),
            DataType::Dictionary(keys, _) => self.whole(&[keys.primitive_width().unwrap_or(1)]),
            DataType::Utf8View | DataType::BinaryView => {
                self.whole(&[16])?;
                let counted = self.variadic.next();
                let counted = counted
                    .ok_or_else(|| wrong("the batch does not count the buffers of views"))?;
                (0..count(counted)?).try_for_each(|_| self.next().map(drop))
            }
            _ => self.whole(&[1]),
        }
    }

    /// Passes over buffers of numbers, which have so many bytes each.
    fn whole(&mut self, widths: &[usize]) -> Result<(), ArrowError> {
        for width in widths {
            let bytes = self.next()?.1;
            if bytes % (*width as u64) != 0 {
                let problem = format!("{bytes} bytes are no numbers of {width} bytes each");
                return Err(wrong(problem));
            }
        }
        Ok(())
    }

    /// Where the next buffer is, and how many bytes it has once it is decompressed.
    fn next(&mut self) -> Result<(i64, u64), ArrowError> {
        let buffer = self.buffers.next();
        let buffer =
            buffer.ok_or_else(|| wrong("the batch has fewer buffers than its schema wants"))?;
        let bytes = match self.compressed {
            true => decompressed_bytes(buffer, self.body).unwrap_or(0),
            false => u64::try_from(buffer.length()).unwrap_or(0),
        };
        Ok((buffer.offset(), bytes))
    }
}

fn count(announced: i64) -> Result<u64, ArrowError> {
    let count = u64::try_from(announced).ok();
    let count = count.filter(|count| *count < MOST_ELEMENTS);
    count.ok_or_else(|| wrong(format!("there cannot be {announced} elements")))
}

fn short(what: &str, bytes: u64, length: u64) -> ArrowError {
    wrong(format!(
        "{what} has {bytes} bytes, too few for {length} elements"
    ))
}
