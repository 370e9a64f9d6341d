//! The types of a schema message: whether each is one that there is.

use arrow_ipc::{
    DateUnit, Endianness, Field, Int, IntervalUnit, Precision, Schema, TimeUnit, Type, UnionMode,
};
use arrow_schema::ArrowError;

use super::wrong;

/// Most types of a union.
const UNION_TYPES: usize = 128;

/// Refuses a schema with a type that does not exist, or numbers written from the other end, which would be read as others.
pub(crate) fn check(schema: Schema<'_>) -> Result<(), ArrowError> {
    if schema.endianness() != Endianness::Little {
        return Err(wrong(
            "numbers that begin with their largest byte cannot be read",
        ));
    }
    let fields = schema.fields();
    let fields = fields.ok_or_else(|| wrong("the schema has no list of fields"))?;
    fields.iter().try_for_each(check_field)
}

fn check_field(field: Field<'_>) -> Result<(), ArrowError> {
    let known = field.dictionary().is_none_or(|dictionary| {
        let keys = dictionary.indexType();
        keys.is_some_and(|keys| is_integer(keys, &[8, 16, 32, 64]))
    });
    if !known || !is_type(field) {
        let name = field.name().unwrap_or_default();
        let problem = format!("field {name:?} is of a type that does not exist");
        return Err(wrong(problem));
    }
    let children = field.children().into_iter().flatten();
    children.into_iter().try_for_each(check_field)
}

fn is_type(field: Field<'_>) -> bool {
    let children = field.children().map_or(0, |children| children.len());
    match field.type_type() {
        Type::Null
        | Type::Bool
        | Type::Binary
        | Type::BinaryView
        | Type::LargeBinary
        | Type::Utf8
        | Type::Utf8View
        | Type::LargeUtf8
        | Type::Struct_ => true,
        Type::Int => field
            .type_as_int()
            .is_some_and(|int| is_integer(int, &[8, 16, 32, 64])),
        Type::FloatingPoint => field.type_as_floating_point().is_some_and(|float| {
            [Precision::HALF, Precision::SINGLE, Precision::DOUBLE].contains(&float.precision())
        }),
        Type::Decimal => field.type_as_decimal().is_some_and(|decimal| {
            [32, 64, 128, 256].contains(&decimal.bitWidth())
                && u8::try_from(decimal.precision()).is_ok()
                && i8::try_from(decimal.scale()).is_ok()
        }),
        Type::Date => field
            .type_as_date()
            .is_some_and(|date| [DateUnit::DAY, DateUnit::MILLISECOND].contains(&date.unit())),
        Type::Time => field.type_as_time().is_some_and(|time| {
            matches!(
                (time.bitWidth(), time.unit()),
                (32, TimeUnit::SECOND | TimeUnit::MILLISECOND)
                    | (64, TimeUnit::MICROSECOND | TimeUnit::NANOSECOND)
            )
        }),
        Type::Timestamp => field
            .type_as_timestamp()
            .is_some_and(|timestamp| is_unit(timestamp.unit())),
        Type::Duration => field
            .type_as_duration()
            .is_some_and(|duration| is_unit(duration.unit())),
        Type::Interval => field.type_as_interval().is_some_and(|interval| {
            [
                IntervalUnit::YEAR_MONTH,
                IntervalUnit::DAY_TIME,
                IntervalUnit::MONTH_DAY_NANO,
            ]
            .contains(&interval.unit())
        }),
        Type::FixedSizeBinary => field
            .type_as_fixed_size_binary()
            .is_some_and(|binary| binary.byteWidth() >= 0),
        Type::List | Type::LargeList | Type::ListView | Type::LargeListView => children == 1,
        Type::FixedSizeList => {
            let list = field.type_as_fixed_size_list();
            children == 1 && list.is_some_and(|list| list.listSize() >= 0)
        }
        Type::Map => field.type_as_map().is_some() && has_entries(field),
        Type::RunEndEncoded => children == 2 && has_run_ends(field),
        Type::Union => is_union(field, children),
        _ => false,
    }
}

fn is_integer(int: Int<'_>, widths: &[i32]) -> bool {
    widths.contains(&int.bitWidth())
}

fn is_unit(unit: TimeUnit) -> bool {
    [
        TimeUnit::SECOND,
        TimeUnit::MILLISECOND,
        TimeUnit::MICROSECOND,
        TimeUnit::NANOSECOND,
    ]
    .contains(&unit)
}

/// Whether a map holds structs of a key and a value.
fn has_entries(map: Field<'_>) -> bool {
    let mut children = map.children().into_iter().flatten();
    let is_entry = |entry: Field<'_>| {
        let parts = entry.children().map_or(0, |parts| parts.len());
        entry.type_type() == Type::Struct_ && entry.dictionary().is_none() && parts == 2
    };
    children.next().is_some_and(is_entry) && children.next().is_none()
}

fn has_run_ends(runs: Field<'_>) -> bool {
    let ends = runs.children().into_iter().flatten().next();
    ends.is_some_and(|ends| {
        let int = ends.type_as_int();
        let signed = int.is_some_and(|int| int.is_signed() && is_integer(int, &[16, 32, 64]));
        signed && ends.dictionary().is_none()
    })
}

fn is_union(field: Field<'_>, children: usize) -> bool {
    let Some(union) = field.type_as_union() else {
        return false;
    };
    let known = [UnionMode::Dense, UnionMode::Sparse].contains(&union.mode());
    let ids = union.typeIds().map(|ids| {
        let mut ids: Vec<i32> = ids.iter().collect();
        ids.sort_unstable();
        ids
    });
    let fit = ids.is_none_or(|ids| {
        let small = |id: &i32| usize::try_from(*id).is_ok_and(|id| id < UNION_TYPES);
        let distinct = ids.windows(2).all(|pair| pair[0] != pair[1]);
        ids.len() == children && ids.iter().all(small) && distinct
    });
    known && fit && children <= UNION_TYPES
}
