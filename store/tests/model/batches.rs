//! Tables as record batches, and the way back.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type, Int32Type, Int64Type, TimestampNanosecondType};
use arrow_array::{
    Array, ArrayRef, Float32Array, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray,
    TimestampNanosecondArray,
};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use serde_json::Value;

use crate::table::{Bound, Cell, Column, Kind, Table};

pub(crate) fn data_type(kind: Kind) -> DataType {
    match kind {
        Kind::Int32 => DataType::Int32,
        Kind::Int64 => DataType::Int64,
        Kind::Float32 => DataType::Float32,
        Kind::Float64 => DataType::Float64,
        Kind::Text => DataType::Utf8,
        Kind::Time => DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into())),
    }
}

fn kind(data_type: &DataType) -> Kind {
    match data_type {
        DataType::Int32 => Kind::Int32,
        DataType::Int64 => Kind::Int64,
        DataType::Float32 => Kind::Float32,
        DataType::Float64 => Kind::Float64,
        DataType::Utf8 => Kind::Text,
        DataType::Timestamp(TimeUnit::Nanosecond, Some(zone)) if &**zone == "UTC" => Kind::Time,
        other => panic!("nobody put a column of type {other}"),
    }
}

pub(crate) fn schema(columns: &[Column]) -> SchemaRef {
    let fields = columns.iter();
    let fields =
        fields.map(|column| Field::new(&column.name, data_type(column.kind), column.nullable));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

pub(crate) fn columns(schema: &Schema) -> Vec<Column> {
    let fields = schema.fields().iter();
    fields
        .map(|field| Column {
            name: field.name().clone(),
            kind: kind(field.data_type()),
            nullable: field.is_nullable(),
        })
        .collect()
}

/// The rows in batches of this size, at least one batch.
pub(crate) fn batches(table: &Table, rows: usize) -> Vec<RecordBatch> {
    let arrays = (0..table.columns.len())
        .map(|place| array(table, place))
        .collect();
    let batch = RecordBatch::try_new(schema(&table.columns), arrays).unwrap();
    let starts = (0..batch.num_rows().max(1)).step_by(rows);
    starts
        .map(|start| batch.slice(start, rows.min(batch.num_rows() - start)))
        .collect()
}

fn array(table: &Table, place: usize) -> ArrayRef {
    let cells = || table.rows.iter().map(|row| &row[place]);
    let int = |cell: &Cell| match cell {
        Cell::Int(number) => Some(*number),
        _ => None,
    };
    let float = |cell: &Cell| match cell {
        Cell::Float(number) => Some(*number),
        _ => None,
    };
    let text = |cell: &Cell| match cell {
        Cell::Text(text) => Some(text.clone()),
        _ => None,
    };
    match table.columns[place].kind {
        Kind::Int32 => {
            let narrow = |number: i64| i32::try_from(number).unwrap();
            Arc::new(
                cells()
                    .map(|cell| int(cell).map(narrow))
                    .collect::<Int32Array>(),
            )
        }
        Kind::Int64 => Arc::new(cells().map(int).collect::<Int64Array>()),
        Kind::Float32 => {
            let narrow = |number: f64| number as f32;
            Arc::new(
                cells()
                    .map(|cell| float(cell).map(narrow))
                    .collect::<Float32Array>(),
            )
        }
        Kind::Float64 => Arc::new(cells().map(float).collect::<Float64Array>()),
        Kind::Text => Arc::new(cells().map(text).collect::<StringArray>()),
        Kind::Time => {
            let times = cells().map(int).collect::<TimestampNanosecondArray>();
            Arc::new(times.with_timezone("UTC"))
        }
    }
}

/// The rows of batches.
pub(crate) fn rows(batches: &[RecordBatch]) -> Vec<Vec<Cell>> {
    let mut rows = Vec::new();
    for batch in batches {
        for row in 0..batch.num_rows() {
            let columns = batch.columns().iter();
            rows.push(columns.map(|column| cell(column.as_ref(), row)).collect());
        }
    }
    rows
}

pub(crate) fn cell(column: &dyn Array, row: usize) -> Cell {
    if column.is_null(row) {
        return Cell::Null;
    }
    match kind(column.data_type()) {
        Kind::Int32 => Cell::Int(column.as_primitive::<Int32Type>().value(row).into()),
        Kind::Int64 => Cell::Int(column.as_primitive::<Int64Type>().value(row)),
        Kind::Float32 => Cell::Float(column.as_primitive::<Float32Type>().value(row).into()),
        Kind::Float64 => Cell::Float(column.as_primitive::<Float64Type>().value(row)),
        Kind::Text => Cell::Text(column.as_string::<i32>().value(row).to_owned()),
        Kind::Time => Cell::Int(column.as_primitive::<TimestampNanosecondType>().value(row)),
    }
}

/// A bound as it is sent. What lies just beyond a value is finer than the column.
pub(crate) fn bound(bound: &Bound, kind: Kind) -> Value {
    match (&bound.cell, kind) {
        (Cell::Text(text), _) if bound.beyond => format!("{text}~").into(),
        (Cell::Text(text), _) => text.clone().into(),
        (Cell::Int(number), Kind::Time) => {
            let time = shoots_store::Timestamp::from_nanoseconds(*number).to_string();
            let finer = if bound.beyond { "5Z" } else { "Z" };
            time.replace('Z', finer).into()
        }
        (Cell::Int(number), _) if bound.beyond => (*number as f64 + 0.5).into(),
        (Cell::Int(number), _) => (*number).into(),
        (other, _) => panic!("{other:?} is no key"),
    }
}
