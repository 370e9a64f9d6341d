//! Functions: what can be made of the values of a bin, of which types, and what type comes out.

use arrow_schema::DataType;

/// What is made of the values of a bin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Function {
    Mean,
    Sum,
    Min,
    Max,
    Count,
    First,
    Last,
    Median,
    Std,
    Var,
    Sem,
    Prod,
    Nunique,
    Quantile,
    /// First, greatest, least and last, each a column.
    Ohlc,
    /// How many rows there are, missing values too.
    Size,
}

/// What stands in a bin in which there is nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Empty {
    Null,
    Zero,
    One,
}

impl Function {
    const ALL: [Self; 16] = [
        Self::Mean,
        Self::Sum,
        Self::Min,
        Self::Max,
        Self::Count,
        Self::First,
        Self::Last,
        Self::Median,
        Self::Std,
        Self::Var,
        Self::Sem,
        Self::Prod,
        Self::Nunique,
        Self::Ohlc,
        Self::Quantile,
        Self::Size,
    ];

    /// Reads a name; the error lists the names.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let known = Self::ALL
            .into_iter()
            .find(|function| function.name() == text);
        known.ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            format!("`{text}` is no function; the functions are {names}")
        })
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Mean => "mean",
            Self::Sum => "sum",
            Self::Min => "min",
            Self::Max => "max",
            Self::Count => "count",
            Self::First => "first",
            Self::Last => "last",
            Self::Median => "median",
            Self::Std => "std",
            Self::Var => "var",
            Self::Sem => "sem",
            Self::Prod => "prod",
            Self::Nunique => "nunique",
            Self::Quantile => "quantile",
            Self::Ohlc => "ohlc",
            Self::Size => "size",
        }
    }

    /// The type of the result; none: it cannot be applied to such values.
    pub(crate) fn result(self, of: &DataType) -> Option<DataType> {
        let kind = Kind::of(of);
        match self {
            Self::Count | Self::Nunique | Self::Size => Some(DataType::Int64),
            Self::First | Self::Last => Some(of.clone()),
            Self::Min | Self::Max => (kind != Kind::Unordered).then(|| of.clone()),
            Self::Mean | Self::Median => match kind {
                Kind::Moment | Kind::Duration => Some(of.clone()),
                _ => kind.float(of),
            },
            Self::Std | Self::Var | Self::Sem | Self::Quantile => kind.float(of),
            Self::Sum => match kind {
                Kind::Duration => Some(of.clone()),
                _ => kind.total(of),
            },
            Self::Prod => kind.total(of),
            Self::Ohlc => kind.is_number().then(|| of.clone()),
        }
    }

    /// What it makes of nothing.
    pub(crate) fn empty(self) -> Empty {
        match self {
            Self::Count | Self::Nunique | Self::Size | Self::Sum => Empty::Zero,
            Self::Prod => Empty::One,
            _ => Empty::Null,
        }
    }

    /// Whether leaving out what is no number concerns it.
    pub(crate) fn is_of_numbers(self) -> bool {
        !matches!(self, Self::Count | Self::Nunique | Self::Size)
    }
}

/// What values of a type are to a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Bool,
    Signed,
    Unsigned,
    Float,
    /// Timestamps.
    Moment,
    Duration,
    /// Values that are integers in disguise: dates and times of day.
    Ordinal,
    /// Values with an order and no arithmetic.
    Ordered,
    /// Values that can only be picked.
    Unordered,
}

impl Kind {
    pub(super) fn of(data_type: &DataType) -> Self {
        match data_type {
            DataType::Boolean => Self::Bool,
            DataType::Timestamp(..) => Self::Moment,
            DataType::Duration(_) => Self::Duration,
            DataType::Date32 | DataType::Date64 | DataType::Time32(_) | DataType::Time64(_) => {
                Self::Ordinal
            }
            DataType::Null
            | DataType::Utf8
            | DataType::LargeUtf8
            | DataType::Utf8View
            | DataType::Binary
            | DataType::LargeBinary
            | DataType::BinaryView
            | DataType::FixedSizeBinary(_)
            | DataType::Decimal128(..)
            | DataType::Decimal256(..) => Self::Ordered,
            number if number.is_signed_integer() => Self::Signed,
            number if number.is_unsigned_integer() => Self::Unsigned,
            number if number.is_floating() => Self::Float,
            _ => Self::Unordered,
        }
    }

    pub(super) fn is_number(self) -> bool {
        matches!(
            self,
            Self::Bool | Self::Signed | Self::Unsigned | Self::Float
        )
    }

    fn float(self, of: &DataType) -> Option<DataType> {
        match self {
            Self::Float => Some(of.clone()),
            number if number.is_number() => Some(DataType::Float64),
            _ => None,
        }
    }

    fn total(self, of: &DataType) -> Option<DataType> {
        match self {
            Self::Float => Some(of.clone()),
            Self::Bool | Self::Signed => Some(DataType::Int64),
            Self::Unsigned => Some(DataType::UInt64),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_read_back() {
        for function in Function::ALL {
            assert_eq!(Function::parse(function.name()), Ok(function));
        }
        let error = Function::parse("avg").unwrap_err();
        assert!(error.contains("the functions are mean, sum"), "{error}");
    }

    #[test]
    fn results_have_the_types_of_pandas() {
        let cases = [
            (Function::Mean, DataType::Int32, Some(DataType::Float64)),
            (Function::Mean, DataType::Float32, Some(DataType::Float32)),
            (Function::Sum, DataType::Boolean, Some(DataType::Int64)),
            (Function::Sum, DataType::UInt8, Some(DataType::UInt64)),
            (Function::Max, DataType::Utf8, Some(DataType::Utf8)),
            (Function::Mean, DataType::Utf8, None),
            (Function::Ohlc, DataType::Utf8, None),
            (Function::Count, DataType::Utf8, Some(DataType::Int64)),
        ];
        for (function, of, result) in cases {
            assert_eq!(function.result(&of), result, "{function:?} of {of}");
        }
    }
}
