//! A table of rows for people: as many columns as fit, the first and the last ones, with their types.

use arrow_array::{Array, RecordBatch};
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_schema::{ArrowError, DataType, Schema};
use comfy_table::{CellAlignment, Table};
use shoots_store::type_name;

use super::listing::printable;

/// The most that a cell takes.
const CELL: usize = 40;
/// What stands for columns and texts that are left out.
const MORE: &str = "…";
const NULL: &str = "null";

/// A column as text.
struct Column {
    name: String,
    kind: String,
    number: bool,
    cells: Vec<String>,
    width: usize,
}

/// The rows of batches as a table within `width`, if there is one.
pub(super) fn table(
    schema: &Schema,
    batches: &[RecordBatch],
    width: Option<usize>,
    colored: bool,
) -> Result<String, ArrowError> {
    let mut columns = Vec::with_capacity(schema.fields().len());
    for (at, field) in schema.fields().iter().enumerate() {
        let mut column = Column::new(field.name(), field.data_type());
        for batch in batches {
            column.append(batch.column(at))?;
        }
        columns.push(column);
    }
    let shown = fitting(&columns, width);
    Ok(draw(&columns, &shown, colored))
}

impl Column {
    fn new(name: &str, data_type: &DataType) -> Self {
        let (name, kind) = (cut(&printable(name)), cut(&short(data_type)));
        let width = text_width(&name).max(text_width(&kind));
        let number = data_type.is_numeric();
        Self {
            name,
            kind,
            number,
            cells: Vec::new(),
            width,
        }
    }

    fn append(&mut self, array: &dyn Array) -> Result<(), ArrowError> {
        let options = FormatOptions::new()
            .with_null(NULL)
            .with_display_error(true);
        let formatter = ArrayFormatter::try_new(array, &options)?;
        for row in 0..array.len() {
            let cell = cut(&printable(&formatter.value(row).to_string()));
            self.width = self.width.max(text_width(&cell));
            self.cells.push(cell);
        }
        Ok(())
    }
}

/// The name of a type in few words.
fn short(data_type: &DataType) -> String {
    match data_type {
        DataType::Dictionary(_, values) => format!("category of {}", type_name(values)),
        other => type_name(other),
    }
}

/// Which columns fit: the first and the last ones in turn. `None` stands for those between them.
fn fitting(columns: &[Column], width: Option<usize>) -> Vec<Option<usize>> {
    let all = || (0..columns.len()).map(Some).collect();
    let Some(width) = width else {
        return all();
    };
    // A border and a space on either side of each cell, and one border more.
    let needed = |column: &Column| column.width + 3;
    if columns.iter().map(needed).sum::<usize>() < width {
        return all();
    }
    let mut left = width.saturating_sub(1 + 3 + MORE.chars().count());
    let (mut first, mut last) = (0, columns.len());
    let mut from_front = true;
    while first < last {
        let next = if from_front { first } else { last - 1 };
        let Some(rest) = left.checked_sub(needed(&columns[next])) else {
            break;
        };
        left = rest;
        match from_front {
            true => first += 1,
            false => last -= 1,
        }
        from_front = !from_front;
    }
    // One is always shown, cut by the terminal if it must be.
    let first = first.max(1);
    let front = (0..first).map(Some);
    let back = (last.max(first)..columns.len()).map(Some);
    front.chain([None]).chain(back).collect()
}

fn draw(columns: &[Column], shown: &[Option<usize>], colored: bool) -> String {
    let mut table = Table::new();
    table.load_preset(comfy_table::presets::UTF8_FULL_CONDENSED);
    let column = |at: &Option<usize>| at.and_then(|at| columns.get(at));
    let heading = shown.iter().map(column).map(|column| match column {
        Some(column) => format!("{}\n{}", column.name, column.kind),
        None => MORE.to_owned(),
    });
    table.set_header(heading);
    let rows = columns.first().map_or(0, |column| column.cells.len());
    for row in 0..rows {
        let cells = shown.iter().map(column).map(|column| match column {
            Some(column) => column.cells.get(row).map_or("", String::as_str),
            None => MORE,
        });
        table.add_row(cells);
    }
    for (at, shown) in shown.iter().enumerate() {
        let number = column(shown).is_some_and(|column| column.number);
        if let (true, Some(column)) = (number, table.column_mut(at)) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let lines = table.lines().enumerate().map(|(at, line)| match at {
        1 if colored => console::style(line).bold().force_styling(true).to_string(),
        2 if colored => console::style(line).dim().force_styling(true).to_string(),
        _ => line,
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn text_width(text: &str) -> usize {
    console::measure_text_width(text)
}

fn cut(text: &str) -> String {
    console::truncate_str(text, CELL, MORE).into_owned()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{ArrayRef, Float64Array, Int64Array, StringArray};

    use super::*;

    fn batch() -> RecordBatch {
        let n: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None]));
        let x: ArrayRef = Arc::new(Float64Array::from(vec![0.5, f64::NAN]));
        let text: ArrayRef = Arc::new(StringArray::from(vec!["a\nb", "東京"]));
        RecordBatch::try_from_iter([("n", n), ("x", x), ("text", text)]).unwrap()
    }

    #[test]
    fn a_table_has_names_types_and_values() {
        let batch = batch();
        let shown = table(&batch.schema(), &[batch], None, false).unwrap();
        let expected = "\
┌───────┬────────┬────────┐
│     n ┆      x ┆ text   │
│ int64 ┆ double ┆ string │
╞═══════╪════════╪════════╡
│     1 ┆    0.5 ┆ a b    │
│  null ┆    NaN ┆ 東京   │
└───────┴────────┴────────┘";
        assert_eq!(shown, expected);
    }

    #[test]
    fn columns_that_do_not_fit_are_left_out_from_the_middle() {
        let numbers: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3]));
        let names: Vec<String> = (0..19).map(|at| format!("column_{at}")).collect();
        let columns = names.iter().map(|name| (name, Arc::clone(&numbers)));
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        for width in [40, 60, 80, 200] {
            let shown = table(
                &batch.schema(),
                std::slice::from_ref(&batch),
                Some(width),
                false,
            );
            let shown = shown.unwrap();
            let widest = shown.lines().map(text_width).max().unwrap();
            assert!(widest <= width, "{width}: {widest}\n{shown}");
            assert!(
                shown.contains("column_0") && shown.contains("column_18"),
                "{shown}"
            );
            assert!(shown.contains('…'), "{shown}");
        }
        let shown = table(&batch.schema(), &[batch], Some(400), false).unwrap();
        assert!(!shown.contains('…'), "{shown}");
    }

    #[test]
    fn long_values_are_cut() {
        let long: ArrayRef = Arc::new(StringArray::from(vec!["x".repeat(1000)]));
        let batch = RecordBatch::try_from_iter([("long", long)]).unwrap();
        let shown = table(&batch.schema(), &[batch], Some(80), false).unwrap();
        assert!(
            shown.contains("x…") && shown.lines().all(|line| text_width(line) <= 44),
            "{shown}"
        );
    }
}
