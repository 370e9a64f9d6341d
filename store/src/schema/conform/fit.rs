//! Which types take the values of which others without loss, and the conversion itself.
//!
//! [`fits`] looks at types only; [`fit`] converts an array, and sees what types do not tell: that all values are null,
//! that one is out of range, or that a whole number is one that a float does not hold exactly.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, Int64Array, StructArray, make_array, new_null_array};
use arrow_cast::display::array_value_to_string;
use arrow_cast::{CastOptions, cast_with_options};
use arrow_ord::ord::make_comparator;
use arrow_schema::{ArrowError, DataType, Field, FieldRef, Fields, SortOptions, TimeUnit};

use crate::schema::nested::rebuild;
use crate::segment::categories;

/// The items of a list of any kind.
pub(super) fn list_item(data_type: &DataType) -> Option<&FieldRef> {
    match data_type {
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::ListView(item)
        | DataType::LargeListView(item)
        | DataType::FixedSizeList(item, _) => Some(item),
        _ => None,
    }
}

/// The key and the value of a map's entries.
pub(super) fn pair(entries: &Field) -> Option<(&FieldRef, &FieldRef)> {
    match entries.data_type() {
        DataType::Struct(fields) => match fields.as_ref() {
            [key, value] => Some((key, value)),
            _ => None,
        },
        _ => None,
    }
}

/// Whether values of one type are values of the other: all of them, or those that [`fit`] does not refuse.
pub(super) fn fits(from: &DataType, to: &DataType) -> bool {
    match (from, to) {
        (from, to) if from == to => true,
        (DataType::Null, _) => true,
        (DataType::Dictionary(_, from), to) => fits(from, to),
        (from, DataType::Dictionary(_, to)) => fits(from, to),
        (DataType::FixedSizeList(from, size), DataType::FixedSizeList(to, wanted)) => {
            size == wanted && fits(from.data_type(), to.data_type())
        }
        (_, DataType::FixedSizeList(_, _)) => false,
        (DataType::Struct(from), DataType::Struct(to)) => {
            from.len() == to.len()
                && to.iter().all(|to| {
                    from.find(to.name())
                        .is_some_and(|(_, from)| fits(from.data_type(), to.data_type()))
                })
        }
        (DataType::Map(from, from_sorted), DataType::Map(to, to_sorted)) => {
            match (pair(from), pair(to)) {
                (Some((from_key, from_value)), Some((to_key, to_value))) => {
                    // That keys are sorted is a promise, which other rows do not make.
                    (*from_sorted || !to_sorted)
                        && fits(from_key.data_type(), to_key.data_type())
                        && fits(from_value.data_type(), to_value.data_type())
                }
                _ => false,
            }
        }
        _ => match (list_item(from), list_item(to)) {
            (Some(from), Some(to)) => fits(from.data_type(), to.data_type()),
            (None, None) => leaf_fit(from, to).is_some(),
            _ => false,
        },
    }
}

/// How a value of one type becomes one of another.
enum LeafFit {
    /// By the cast kernels, which do this exactly.
    Cast,
    /// By the cast kernels, which round: what does not come back as it was is refused.
    CastBack,
    /// By multiplying, because the unit is this much finer.
    Times(i64),
}

/// Days are times of midnight.
const DAY_SECONDS: i64 = 86_400;

fn leaf_fit(from: &DataType, to: &DataType) -> Option<LeafFit> {
    use DataType::{
        Binary, BinaryView, Date32, Date64, Duration, FixedSizeBinary, Float16, Float32, Float64,
        LargeBinary, LargeUtf8, Time32, Time64, Timestamp, Utf8, Utf8View,
    };
    let exact = match (from, to) {
        (Utf8 | LargeUtf8 | Utf8View, Utf8 | LargeUtf8 | Utf8View)
        | (
            Binary | LargeBinary | BinaryView | FixedSizeBinary(_),
            Binary | LargeBinary | BinaryView,
        )
        | (Float16, Float32 | Float64)
        | (Float32, Float64)
        | (Date32, Date64) => true,
        (Timestamp(from, zone), Timestamp(to, wanted))
            if same_zone(zone.as_deref(), wanted.as_deref()) =>
        {
            return finer(*from, *to);
        }
        (Time32(from) | Time64(from), Time32(to) | Time64(to)) | (Duration(from), Duration(to)) => {
            return finer(*from, *to);
        }
        // A day with a zone would be another moment in each of them.
        (Date32, Timestamp(unit, None)) => {
            return Some(LeafFit::Times(DAY_SECONDS * per_second(*unit)));
        }
        (Date64, Timestamp(unit, None)) => {
            return finer(TimeUnit::Millisecond, *unit).or(Some(LeafFit::CastBack));
        }
        (from, to) if from.is_decimal() && to.is_decimal() => {
            let ((from, from_scale), (to, to_scale)) = (digits(from)?, digits(to)?);
            to - to_scale >= from - from_scale && to_scale >= from_scale
        }
        (from, to) => {
            let number = integer(from)?;
            if to.is_floating() && !integer_fits(number, to) {
                return Some(LeafFit::CastBack);
            }
            integer_fits(number, to)
        }
    };
    exact.then_some(LeafFit::Cast)
}

/// Bits of an integer type's numbers, and whether they have a sign.
fn integer(data_type: &DataType) -> Option<(u8, bool)> {
    Some(match data_type {
        DataType::Int8 => (7, true),
        DataType::Int16 => (15, true),
        DataType::Int32 => (31, true),
        DataType::Int64 => (63, true),
        DataType::UInt8 => (8, false),
        DataType::UInt16 => (16, false),
        DataType::UInt32 => (32, false),
        DataType::UInt64 => (64, false),
        _ => return None,
    })
}

fn integer_fits((bits, signed): (u8, bool), to: &DataType) -> bool {
    match to {
        DataType::Float16 => bits <= 11,
        DataType::Float32 => bits <= 24,
        DataType::Float64 => bits <= 53,
        _ if to.is_decimal() => digits(to).is_some_and(|(digits, scale)| {
            let needed = match bits {
                7 | 8 => 3,
                15 | 16 => 5,
                31 | 32 => 10,
                63 => 19,
                _ => 20,
            };
            scale >= 0 && digits - scale >= needed
        }),
        _ => integer(to).is_some_and(|(wide, with_sign)| wide >= bits && (with_sign || !signed)),
    }
}

/// All digits of a decimal type, and those behind the point.
fn digits(data_type: &DataType) -> Option<(i16, i16)> {
    match *data_type {
        DataType::Decimal32(digits, scale)
        | DataType::Decimal64(digits, scale)
        | DataType::Decimal128(digits, scale)
        | DataType::Decimal256(digits, scale) => Some((digits.into(), scale.into())),
        _ => None,
    }
}

fn finer(from: TimeUnit, to: TimeUnit) -> Option<LeafFit> {
    let (from, to) = (per_second(from), per_second(to));
    (to >= from).then(|| LeafFit::Times(to / from))
}

fn per_second(unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Second => 1,
        TimeUnit::Millisecond => 1_000,
        TimeUnit::Microsecond => 1_000_000,
        TimeUnit::Nanosecond => 1_000_000_000,
    }
}

fn same_zone(one: Option<&str>, other: Option<&str>) -> bool {
    let canonical = |zone: &str| {
        let spellings = [
            "UTC", "Etc/UTC", "Z", "Zulu", "Etc/Zulu", "+00:00", "+00", "+0000",
        ];
        if spellings
            .iter()
            .any(|known| known.eq_ignore_ascii_case(zone))
        {
            "UTC".to_owned()
        } else {
            zone.to_owned()
        }
    };
    one.map(canonical) == other.map(canonical)
}

/// Why an array does not fit.
pub(super) enum Misfit {
    /// Its type does not, and not all its values are null.
    Type,
    /// Its type does, but a value does not; where that is, if the array says so.
    Value { row: Option<usize>, problem: String },
}

impl Misfit {
    /// The same of a value inside of others, which is in no row of its own.
    fn inside(self) -> Self {
        match self {
            Self::Value { problem, .. } => Self::Value { row: None, problem },
            Self::Type => Self::Type,
        }
    }
}

impl From<ArrowError> for Misfit {
    fn from(problem: ArrowError) -> Self {
        let problem = match problem {
            ArrowError::CastError(told)
            | ArrowError::ComputeError(told)
            | ArrowError::InvalidArgumentError(told) => told,
            other => other.to_string(),
        };
        Self::Value { row: None, problem }
    }
}

/// The value of a row that does not fit.
fn unfit(array: &dyn Array, row: usize, problem: &str) -> Misfit {
    match array_value_to_string(array, row) {
        Ok(value) => Misfit::Value {
            row: Some(row),
            problem: format!("{value} {problem}"),
        },
        Err(error) => error.into(),
    }
}

/// `array` as the values of `field`.
pub(super) fn fit(array: &ArrayRef, field: &Field) -> Result<ArrayRef, Misfit> {
    let (from, to) = (array.data_type(), field.data_type());
    if from == to {
        return Ok(Arc::clone(array));
    }
    if !fits(from, to) || from.is_null() {
        return if array.logical_null_count() == array.len() {
            Ok(new_null_array(to, array.len()))
        } else {
            fit_children(array, field)
        };
    }
    match (from, to) {
        (DataType::Dictionary(_, _), DataType::Dictionary(key, values)) => {
            let dictionary = array.as_any_dictionary();
            let values = Field::new("values", values.as_ref().clone(), true);
            let values = fit(dictionary.values(), &values).map_err(Misfit::inside)?;
            let array = dictionary.with_values(values);
            let keys = categories::with_keys(&array, key)?;
            Ok(keys)
        }
        (DataType::Dictionary(_, _), _) => {
            let dictionary = array.as_any_dictionary();
            let values = arrow_select::take::take(dictionary.values(), dictionary.keys(), None)?;
            fit(&values, field)
        }
        (_, DataType::Dictionary(key, values)) => {
            let plain = Field::new("values", values.as_ref().clone(), true);
            let values = fit(array, &plain)?;
            Ok(categories::encode(&values, key, |values| {
                Ok(Arc::clone(values))
            })?)
        }
        _ if from.is_nested() => fit_children(array, field),
        _ => match leaf_fit(from, to) {
            Some(LeafFit::Cast) => Ok(cast(array, to)?),
            Some(LeafFit::CastBack) => cast_exactly(array, to),
            Some(LeafFit::Times(factor)) => multiply(array, to, factor),
            None => Err(Misfit::Type),
        },
    }
}

/// Fits a nested array by its children.
fn fit_children(array: &ArrayRef, field: &Field) -> Result<ArrayRef, Misfit> {
    let to = field.data_type();
    let mut misfit = None;
    let mut child = |array: &ArrayRef, field: &FieldRef| {
        fit(array, field).map_err(|problem| {
            misfit = Some(problem.inside());
            ArrowError::SchemaError(String::new())
        })
    };
    let fitted = match (array.data_type(), to) {
        (DataType::Struct(from), DataType::Struct(wanted)) => {
            let array = in_order(array.as_struct(), from, wanted).ok_or(Misfit::Type)?;
            rebuild(&array, to, &mut child)
        }
        (DataType::Map(_, _), DataType::Map(_, _)) => rebuild(array, to, &mut child),
        (from, to) => match (list_like(from, to), list_item(to)) {
            (Some(same_kind), Some(_)) => {
                rebuild(array, &same_kind, &mut child).and_then(|array| {
                    if array.data_type() == to {
                        Ok(array)
                    } else {
                        cast(&array, to)
                    }
                })
            }
            _ => return Err(Misfit::Type),
        },
    };
    match (fitted, misfit) {
        (Ok(array), _) => Ok(array),
        (Err(_), Some(misfit)) => Err(misfit),
        (Err(problem), None) => Err(problem.into()),
    }
}

/// The kind of list that `from` is, with the items that `to` has.
fn list_like(from: &DataType, to: &DataType) -> Option<DataType> {
    let item = Arc::clone(list_item(to)?);
    match (from, to) {
        (DataType::FixedSizeList(_, size), DataType::FixedSizeList(_, wanted)) => {
            (size == wanted).then(|| to.clone())
        }
        (_, DataType::FixedSizeList(_, _)) => None,
        (DataType::FixedSizeList(_, size), _) => Some(DataType::FixedSizeList(item, *size)),
        (DataType::List(_), _) => Some(DataType::List(item)),
        (DataType::LargeList(_), _) => Some(DataType::LargeList(item)),
        (DataType::ListView(_), _) => Some(DataType::ListView(item)),
        (DataType::LargeListView(_), _) => Some(DataType::LargeListView(item)),
        _ => None,
    }
}

/// A struct with its fields in the order of `wanted`; nothing if it does not have the same ones.
fn in_order(array: &StructArray, from: &Fields, wanted: &Fields) -> Option<ArrayRef> {
    if from.len() != wanted.len() {
        return None;
    }
    let (fields, columns): (Vec<FieldRef>, Vec<ArrayRef>) = wanted
        .iter()
        .map(|field| {
            let (place, found) = from.find(field.name())?;
            Some((Arc::clone(found), Arc::clone(array.column(place))))
        })
        .collect::<Option<Vec<_>>>()?
        .into_iter()
        .unzip();
    let array = StructArray::try_new_with_length(
        fields.into(),
        columns,
        array.nulls().cloned(),
        array.len(),
    );
    array.ok().map(|array| Arc::new(array) as ArrayRef)
}

/// The values that a rounding cast leaves as they are; one that it does not is refused.
fn cast_exactly(array: &ArrayRef, to: &DataType) -> Result<ArrayRef, Misfit> {
    let lenient = CastOptions::default();
    let there = cast_with_options(array, to, &lenient)?;
    let back = cast_with_options(&there, array.data_type(), &lenient)?;
    let same = make_comparator(array, &back, SortOptions::default())?;
    let changed = (0..array.len()).find(|row| same(*row, *row).is_ne());
    match changed {
        Some(row) => Err(unfit(array, row, "is not held exactly")),
        None => Ok(there),
    }
}

/// Times, durations and days in a unit that is `factor` times finer.
fn multiply(array: &ArrayRef, to: &DataType, factor: i64) -> Result<ArrayRef, Misfit> {
    let width = |data_type: &DataType| match data_type.primitive_width() {
        Some(4) => DataType::Int32,
        _ => DataType::Int64,
    };
    let numbers = cast(&named(array, &width(array.data_type()))?, &DataType::Int64)?;
    let numbers = numbers.as_primitive::<Int64Type>();
    let narrow = width(to) == DataType::Int32;
    let finer = |number: i64| {
        let finer = number.checked_mul(factor);
        finer.filter(|finer| !narrow || i32::try_from(*finer).is_ok())
    };
    let fitted: Int64Array = numbers.unary_opt(finer);
    if fitted.null_count() > numbers.null_count() {
        let beyond = |row: &usize| fitted.is_null(*row) && numbers.is_valid(*row);
        if let Some(row) = (0..numbers.len()).find(beyond) {
            return Err(unfit(array, row, "is out of range in the finer unit"));
        }
    }
    Ok(named(
        &cast(&(Arc::new(fitted) as ArrayRef), &width(to))?,
        to,
    )?)
}

/// The same bytes under another type.
fn named(array: &ArrayRef, data_type: &DataType) -> Result<ArrayRef, ArrowError> {
    let data = array.to_data().into_builder().data_type(data_type.clone());
    Ok(make_array(data.build()?))
}

pub(super) fn cast(array: &ArrayRef, to: &DataType) -> Result<ArrayRef, ArrowError> {
    let exact = CastOptions {
        safe: false,
        ..CastOptions::default()
    };
    cast_with_options(array, to, &exact)
}
