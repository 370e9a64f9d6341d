//! A function that panics, which queries have in tests only.

use std::sync::Arc;

use arrow_schema::DataType;
use datafusion::error::Result;
use datafusion::logical_expr::{ColumnarValue, ScalarUDF, Volatility, create_udf};

/// `panic_now(n)`: no value, ever.
pub(in crate::query) fn panicking() -> ScalarUDF {
    let panics =
        Arc::new(|_: &[ColumnarValue]| -> Result<ColumnarValue> { panic!("asked for by a query") });
    let number = DataType::Int64;
    create_udf(
        "panic_now",
        vec![number.clone()],
        number,
        Volatility::Volatile,
        panics,
    )
}
