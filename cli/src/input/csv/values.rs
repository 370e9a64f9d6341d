//! Texts become values of a type, each exactly or not at all.

use arrow_array::{Array, ArrayRef, StringArray};
use arrow_cast::{CastOptions, can_cast_types, cast_with_options};
use arrow_schema::{DataType, TimeUnit};
use shoots_store::type_name;

use super::times::{self, Zone, with_seconds};

/// Words that stand for null among numbers and times.
const WORDS: [&str; 8] = ["NA", "N/A", "n/a", "NULL", "Null", "null", "None", "-"];

/// Which texts stand for null.
#[derive(Clone, Debug)]
pub(in crate::input) struct Nulls {
    said: Vec<String>,
    /// Whether an empty text is null everywhere, and some words are where they cannot be values.
    lenient: bool,
}

impl Nulls {
    /// These stand for null everywhere.
    pub(super) fn new(said: &[String]) -> Self {
        Self {
            said: said.to_vec(),
            lenient: true,
        }
    }

    /// Every text is a value: what is null is said otherwise.
    pub(in crate::input) fn none() -> Self {
        Self {
            said: Vec::new(),
            lenient: false,
        }
    }

    /// Whether a text stands for null in every column.
    pub(super) fn is_null(&self, text: &str) -> bool {
        self.lenient && text.is_empty() || self.said.iter().any(|said| said == text)
    }

    /// Whether a text stands for null where it cannot be a value.
    pub(super) fn is_null_word(&self, text: &str) -> bool {
        self.is_null(text) || self.lenient && WORDS.contains(&text)
    }
}

/// What does not fit, in which row if it is about one, and what helps if it is known.
#[derive(Debug)]
pub(in crate::input) struct Misfit {
    pub(in crate::input) row: Option<usize>,
    pub(in crate::input) problem: String,
    pub(in crate::input) cure: Option<String>,
}

impl Misfit {
    fn of_column(problem: String) -> Self {
        Self {
            row: None,
            problem,
            cure: None,
        }
    }

    fn of_row(row: usize, problem: String) -> Self {
        Self {
            row: Some(row),
            ..Self::of_column(problem)
        }
    }
}

/// The values that texts stand for. `zone` is where the times are from that do not say it, in a column whose times have
/// a zone.
pub(in crate::input) fn convert(
    texts: &StringArray,
    data_type: &DataType,
    nulls: &Nulls,
    zone: Option<&Zone>,
) -> Result<ArrayRef, Misfit> {
    let texts = match holds_any_text(data_type) {
        true => texts
            .iter()
            .map(|text| text.filter(|text| !nulls.is_null(text)))
            .collect::<StringArray>(),
        false => texts
            .iter()
            .map(|text| Some(text?.trim()).filter(|text| !nulls.is_null_word(text)))
            .collect(),
    };
    let texts = match data_type {
        DataType::Timestamp(..) => texts.iter().map(|text| Some(with_seconds(text?))).collect(),
        _ => texts,
    };
    if !has_text(data_type) {
        let problem = format!("CSV has no form for {}", type_name(data_type));
        return Err(Misfit::of_column(problem));
    }
    if let Some(digits) = digits_after_point(data_type)
        && let Some(at) =
            (0..texts.len()).find(|at| texts.is_valid(*at) && finer(texts.value(*at), digits))
    {
        let told = quoted(texts.value(at));
        let problem = format!("{told} is finer than {} tells", type_name(data_type));
        return Err(Misfit::of_row(at, problem));
    }
    let doubtful = |text: &str| times::doubt(text, data_type, zone);
    let misread = (0..texts.len()).find_map(|at| {
        let doubt = texts.is_valid(at).then(|| doubtful(texts.value(at)))??;
        Some((at, doubt))
    });
    if let Some((at, doubt)) = misread {
        return Err(Misfit {
            cure: Some(doubt.cure),
            ..Misfit::of_row(at, format!("{} {}", quoted(texts.value(at)), doubt.problem))
        });
    }
    let values = cast(&texts, &times::read_as(data_type, zone))?;
    let lost = (0..texts.len()).find(|at| texts.is_valid(*at) && values.is_null(*at));
    if let Some(at) = lost {
        let problem = format!("{} is no {}", quoted(texts.value(at)), type_name(data_type));
        return Err(Misfit::of_row(at, problem));
    }
    cast(&values, data_type)
}

fn cast(values: &dyn Array, data_type: &DataType) -> Result<ArrayRef, Misfit> {
    let options = CastOptions {
        safe: true,
        ..CastOptions::default()
    };
    let values = cast_with_options(values, data_type, &options);
    values.map_err(|error| Misfit::of_column(error.to_string()))
}

/// Whether texts can stand for values of a type.
pub(super) fn has_text(data_type: &DataType) -> bool {
    // A text would become a list of itself.
    let parts = data_type.is_nested() && !matches!(data_type, DataType::Dictionary(..));
    !parts && can_cast_types(&DataType::Utf8, data_type)
}

fn holds_any_text(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(_, values) => holds_any_text(values),
        other => other.is_string() || other.is_binary(),
    }
}

/// How many digits after the point of a second a type tells.
fn digits_after_point(data_type: &DataType) -> Option<usize> {
    match data_type {
        DataType::Timestamp(unit, _) | DataType::Time32(unit) | DataType::Time64(unit) => {
            match unit {
                TimeUnit::Second => Some(0),
                TimeUnit::Millisecond => Some(3),
                TimeUnit::Microsecond => Some(6),
                TimeUnit::Nanosecond => Some(9),
            }
        }
        _ => None,
    }
}

/// Whether a time has digits beyond so many after the point that say something.
fn finer(text: &str, digits: usize) -> bool {
    let Some((_, fraction)) = text.split_once('.') else {
        return false;
    };
    let mut beyond = fraction.bytes().take_while(u8::is_ascii_digit).skip(digits);
    beyond.any(|digit| digit != b'0')
}

fn quoted(text: &str) -> String {
    let short: String = text.chars().take(60).collect();
    format!("{short:?}")
}

#[cfg(test)]
mod tests {
    use arrow_array::cast::AsArray;
    use arrow_array::types::{Int64Type, TimestampNanosecondType};

    use super::*;

    fn texts(values: &[&str]) -> StringArray {
        StringArray::from(values.to_vec())
    }

    #[test]
    fn numbers_and_times_come_out_exactly() {
        let nulls = Nulls::new(&[]);
        let numbers = convert(
            &texts(&["1", " -2 ", "NA", ""]),
            &DataType::Int64,
            &nulls,
            None,
        )
        .unwrap();
        let numbers: Vec<_> = numbers.as_primitive::<Int64Type>().iter().collect();
        assert_eq!(numbers, [Some(1), Some(-2), None, None]);

        let utc = DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into()));
        let times = texts(&[
            "2013-01-01T10:00:00Z",
            "2013-01-01T12:00:00.000000001+02:00",
        ]);
        let times = convert(&times, &utc, &nulls, None).unwrap();
        let times = times.as_primitive::<TimestampNanosecondType>();
        assert_eq!(times.value(1) - times.value(0), 1);
    }

    #[test]
    fn texts_keep_what_numbers_take_for_null_unless_it_is_said() {
        let kept = convert(
            &texts(&["NA", " x "]),
            &DataType::Utf8,
            &Nulls::new(&[]),
            None,
        )
        .unwrap();
        assert_eq!(kept.as_string::<i32>().value(0), "NA");
        assert_eq!(kept.as_string::<i32>().value(1), " x ");
        let said = Nulls::new(&["NA".to_owned()]);
        let nulled = convert(&texts(&["NA", "x"]), &DataType::Utf8, &said, None).unwrap();
        assert_eq!(nulled.null_count(), 1);
    }

    #[test]
    fn what_does_not_fit_is_told_with_its_row() {
        let nulls = Nulls::new(&[]);
        let seconds = DataType::Timestamp(TimeUnit::Second, None);
        for (values, data_type, row) in [
            (&["1", "x"][..], DataType::Int64, 1),
            (&["1", "2.5"], DataType::Int64, 1),
            (&["300"], DataType::UInt8, 0),
            (
                &["2013-01-01 00:00:00.0", "2013-01-01 00:00:00.5"],
                seconds,
                1,
            ),
            (&["2013-13-01"], DataType::Date32, 0),
            (&["2013-01-01", "2013-01-01 10:30"], DataType::Date32, 1),
        ] {
            let misfit = convert(&texts(values), &data_type, &nulls, None).unwrap_err();
            assert_eq!(misfit.row, Some(row), "{values:?}: {}", misfit.problem);
            assert!(misfit.problem.contains(values[row]), "{}", misfit.problem);
        }
        let list = DataType::new_list(DataType::Int64, true);
        assert!(convert(&texts(&["[1]"]), &list, &nulls, None).is_err());
    }
}
