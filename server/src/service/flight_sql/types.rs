//! `XdbcTypeInfo`: the types that SQL can name here, in the numbers of ODBC and JDBC.

use arrow_flight::sql::metadata::{XdbcTypeInfo, XdbcTypeInfoData, XdbcTypeInfoDataBuilder};
use arrow_flight::sql::{Nullable, Searchable, XdbcDataType, XdbcDatetimeSubcode};

use super::defect;
use crate::status::Failure;

/// All types.
pub(super) fn all() -> Result<XdbcTypeInfoData, Failure> {
    let mut types = XdbcTypeInfoDataBuilder::new();
    for kind in numbers().chain(texts()).chain(times()) {
        types.append(kind);
    }
    types.build().map_err(defect)
}

fn named(name: &str, data_type: XdbcDataType, size: Option<i32>) -> XdbcTypeInfo {
    XdbcTypeInfo {
        type_name: name.to_owned(),
        data_type,
        sql_data_type: data_type,
        column_size: size,
        nullable: Nullable::NullabilityNullable,
        searchable: Searchable::Full,
        local_type_name: Some(name.to_owned()),
        ..XdbcTypeInfo::default()
    }
}

/// Sizes are in digits of the radix: bits of integers and floats, decimal digits of decimals.
fn numbers() -> impl Iterator<Item = XdbcTypeInfo> {
    use XdbcDataType as Type;
    let number = |name, data_type, size, radix, unsigned| XdbcTypeInfo {
        num_prec_radix: Some(radix),
        unsigned_attribute: Some(unsigned),
        auto_increment: Some(false),
        searchable: Searchable::Basic,
        ..named(name, data_type, Some(size))
    };
    let decimal = XdbcTypeInfo {
        create_params: Some(vec!["precision".to_owned(), "scale".to_owned()]),
        minimum_scale: Some(0),
        maximum_scale: Some(76),
        ..number("DECIMAL", Type::XdbcDecimal, 76, 10, false)
    };
    [
        number("TINYINT", Type::XdbcTinyint, 8, 2, false),
        number("SMALLINT", Type::XdbcSmallint, 16, 2, false),
        number("INTEGER", Type::XdbcInteger, 32, 2, false),
        number("BIGINT", Type::XdbcBigint, 64, 2, false),
        number("TINYINT UNSIGNED", Type::XdbcTinyint, 8, 2, true),
        number("SMALLINT UNSIGNED", Type::XdbcSmallint, 16, 2, true),
        number("INTEGER UNSIGNED", Type::XdbcInteger, 32, 2, true),
        number("BIGINT UNSIGNED", Type::XdbcBigint, 64, 2, true),
        number("REAL", Type::XdbcReal, 24, 2, false),
        number("DOUBLE", Type::XdbcDouble, 53, 2, false),
        decimal,
    ]
    .into_iter()
}

fn texts() -> impl Iterator<Item = XdbcTypeInfo> {
    use XdbcDataType as Type;
    let quoted = |before: &str, kind| XdbcTypeInfo {
        literal_prefix: Some(before.to_owned()),
        literal_suffix: Some("'".to_owned()),
        case_sensitive: true,
        ..kind
    };
    let boolean = XdbcTypeInfo {
        searchable: Searchable::Basic,
        ..named("BOOLEAN", Type::XdbcBit, Some(1))
    };
    [
        boolean,
        quoted("'", named("VARCHAR", Type::XdbcVarchar, None)),
        quoted("X'", named("BYTEA", Type::XdbcVarbinary, None)),
    ]
    .into_iter()
}

/// Sizes are in characters, of the longest form that is written.
fn times() -> impl Iterator<Item = XdbcTypeInfo> {
    use XdbcDataType as Type;
    let time = |name: &str, code, general, part, size| XdbcTypeInfo {
        sql_data_type: general,
        datetime_subcode: part,
        literal_prefix: Some(format!("{name} '")),
        literal_suffix: Some("'".to_owned()),
        searchable: Searchable::Basic,
        ..named(name, code, Some(size))
    };
    let moment =
        |name: &str, code, part, size| time(name, code, Type::XdbcDatetime, Some(part), size);
    [
        // The numbers of JDBC's parts of times begin with that of dates.
        moment(
            "DATE",
            Type::XdbcDate,
            XdbcDatetimeSubcode::XdbcSubcodeYear,
            10,
        ),
        moment(
            "TIME",
            Type::XdbcTime,
            XdbcDatetimeSubcode::XdbcSubcodeTime,
            18,
        ),
        moment(
            "TIMESTAMP",
            Type::XdbcTimestamp,
            XdbcDatetimeSubcode::XdbcSubcodeTimestamp,
            29,
        ),
        time("INTERVAL", Type::XdbcInterval, Type::XdbcInterval, None, 64),
    ]
    .into_iter()
}
