//! The shape of a query's result: types and metadata as people know them from the frame.
//!
//! Columns that a query passes through keep their type and metadata; DataFusion sees to that. What is settled
//! here is the rest:
//!
//! - Some functions of DataFusion make string views out of strings. A column of views is turned into plain
//!   strings, unless a frame of the query has a column of that name and type.
//! - Categories with small keys get them back; [`categories`] says why they lost them.
//! - Projections drop whether a dictionary is ordered, which is no part of its type. A column takes it from the
//!   frame's column of that name and type.
//! - The schema's own metadata is that of the ticket's frame, or else of the only frame that the query reads.
//!   Its `pandas` entry is reduced to the columns that the query passed through unchanged.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{DataType, Field, FieldRef, Fields, Schema, SchemaRef};
use datafusion::error::DataFusionError;
use shoots_store::Snapshot;

use super::table::categories;
use crate::status::Failure;

const PANDAS: &str = "pandas";

/// What the batches of a plan are made into.
#[derive(Debug)]
pub(super) struct ResultShape {
    schema: SchemaRef,
}

impl ResultShape {
    /// The shape of what a plan makes of `frames`, asked by a ticket for `frame` if one names it.
    pub(super) fn new(planned: &Schema, frame: Option<&Snapshot>, frames: &[&Snapshot]) -> Self {
        let own = frames
            .iter()
            .find(|f| frame.is_some_and(|frame| f.frame() == frame.frame()));
        let source = own.or(match frames {
            [only] => Some(only),
            _ => None,
        });
        let schemas: Vec<SchemaRef> = frames.iter().map(|f| f.schema()).collect();
        Self::of_schemas(planned, source.map(|f| f.schema()).as_deref(), &schemas)
    }

    /// The same with the metadata of a frame's schema.
    pub(super) fn described_as(&self, frame: &Schema) -> Self {
        Self::of_schemas(&self.schema, Some(frame), &[])
    }

    fn of_schemas(planned: &Schema, source: Option<&Schema>, frames: &[SchemaRef]) -> Self {
        let fields: Fields = planned
            .fields()
            .iter()
            .map(|field| {
                let field = narrow(&without_view(field, frames), frames);
                nullable(ordered(field, frames), frames)
            })
            .collect();
        let metadata = match source {
            Some(source) => {
                let unchanged: Fields = fields
                    .iter()
                    .filter(|field| column(source, field).is_some())
                    .cloned()
                    .collect();
                let reduced = Schema::new_with_metadata(unchanged, source.metadata().clone());
                let metadata = shoots_store::pandas::reduce(&reduced).metadata;
                // The columns that are new have their say in how labels are read.
                let all = Schema::new_with_metadata(fields.clone(), metadata);
                shoots_store::pandas::reduce(&all).metadata
            }
            None => {
                let mut metadata = planned.metadata().clone();
                metadata.remove(PANDAS);
                metadata
            }
        };
        Self {
            schema: Arc::new(Schema::new_with_metadata(fields, metadata)),
        }
    }

    pub(super) fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// A batch of the plan in this shape: as one batch, or as several where keys of categories are small.
    pub(super) fn apply(&self, batch: &RecordBatch) -> Result<Vec<RecordBatch>, Failure> {
        categories::narrow(batch, &self.schema).map_err(|e| DataFusionError::from(e).into())
    }
}

fn without_view(field: &FieldRef, frames: &[SchemaRef]) -> FieldRef {
    let plain = match field.data_type() {
        DataType::Utf8View => DataType::Utf8,
        DataType::BinaryView => DataType::Binary,
        _ => return Arc::clone(field),
    };
    let kept = frames.iter().any(|frame| column(frame, field).is_some());
    if kept {
        return Arc::clone(field);
    }
    Arc::new(Field::clone(field).with_data_type(plain))
}

/// A category with the small keys that a frame's column of that name has.
fn narrow(field: &FieldRef, frames: &[SchemaRef]) -> FieldRef {
    let wide = Some(field.data_type().clone());
    let mut columns = frames
        .iter()
        .filter_map(|frame| frame.column_with_name(field.name()));
    let small = columns.find(|(_, known)| categories::widened_type(known.data_type()) == wide);
    match small {
        Some((_, small)) => Arc::new(Field::clone(field).with_data_type(small.data_type().clone())),
        None => Arc::clone(field),
    }
}

/// May be null if the frame's column may be: queries know that the columns of an index are not.
fn nullable(field: FieldRef, frames: &[SchemaRef]) -> FieldRef {
    let mut known = frames.iter().filter_map(|frame| column(frame, &field));
    if field.is_nullable() || !known.any(|known| known.is_nullable()) {
        return field;
    }
    Arc::new(Field::clone(&field).with_nullable(true))
}

fn ordered(field: FieldRef, frames: &[SchemaRef]) -> FieldRef {
    let mut known = frames.iter().filter_map(|frame| column(frame, &field));
    let flag = known.find_map(|known| known.dict_is_ordered());
    match flag {
        Some(flag) if field.dict_is_ordered() != Some(flag) => {
            Arc::new(Field::clone(&field).with_dict_is_ordered(flag))
        }
        _ => field,
    }
}

/// The column of this name and type.
fn column<'a>(schema: &'a Schema, field: &Field) -> Option<&'a FieldRef> {
    let same = |column: &&FieldRef| {
        column.name() == field.name() && column.data_type() == field.data_type()
    };
    schema.fields().iter().find(same)
}

#[cfg(test)]
mod tests {
    use arrow_array::{ArrayRef, StringArray, StringViewArray};
    use arrow_schema::TimeUnit;
    use serde_json::{Value, json};

    use super::*;

    fn frame() -> SchemaRef {
        let column = |name: &str, of: &str| json!({"name": name, "field_name": name, "pandas_type": of, "numpy_type": of, "metadata": null});
        let pandas = json!({
            "index_columns": ["when"],
            "column_indexes": [],
            "columns": [column("price", "float64"), column("when", "datetime"), column("tag", "unicode")],
            "pandas_version": "2.2.0",
        });
        let metadata = [
            (PANDAS.to_owned(), pandas.to_string()),
            ("owner".to_owned(), "me".to_owned()),
        ];
        let fields = vec![
            Field::new("price", DataType::Float64, true),
            Field::new(
                "when",
                DataType::Timestamp(TimeUnit::Nanosecond, None),
                true,
            ),
            Field::new("tag", DataType::Utf8View, true),
        ];
        Arc::new(Schema::new_with_metadata(fields, metadata.into()))
    }

    fn pandas(schema: &Schema) -> Value {
        serde_json::from_str(&schema.metadata()[PANDAS]).unwrap()
    }

    #[test]
    fn pandas_metadata_keeps_the_columns_that_were_passed_through() {
        let planned = Schema::new(vec![
            Field::new("price", DataType::Float32, true),
            Field::new(
                "when",
                DataType::Timestamp(TimeUnit::Nanosecond, None),
                true,
            ),
            Field::new("count(*)", DataType::Int64, false),
        ]);
        let shape = ResultShape::of_schemas(&planned, Some(&frame()), &[frame()]);
        let schema = shape.schema();
        assert_eq!(schema.metadata()["owner"], "me");
        let pandas = pandas(&schema);
        assert_eq!(pandas["index_columns"], json!(["when"]));
        let names: Vec<&Value> = pandas["columns"]
            .as_array()
            .unwrap()
            .iter()
            .map(|c| &c["name"])
            .collect();
        assert_eq!(names, [&json!("when")]);
        assert!(!schema.field(2).is_nullable());
    }

    #[test]
    fn an_index_that_is_gone_is_not_announced() {
        let planned = Schema::new(vec![Field::new("price", DataType::Float64, true)]);
        let shape = ResultShape::of_schemas(&planned, Some(&frame()), &[frame()]);
        assert_eq!(pandas(&shape.schema())["index_columns"], json!([]));
    }

    #[test]
    fn results_of_several_other_frames_claim_no_pandas_metadata() {
        let planned = (*frame()).clone();
        let shape = ResultShape::of_schemas(&planned, None, &[frame(), frame()]);
        assert!(!shape.schema().metadata().contains_key(PANDAS));
        assert_eq!(shape.schema().metadata()["owner"], "me");
    }

    #[test]
    fn ordered_dictionaries_stay_ordered() {
        let kind = |of: DataType| {
            let dictionary = DataType::Dictionary(Box::new(DataType::Int8), Box::new(of));
            Field::new("kind", dictionary, true)
        };
        let frame = Schema::new(vec![kind(DataType::Utf8).with_dict_is_ordered(true)]);
        let frames = [Arc::new(frame)];
        for (of, flag) in [(DataType::Utf8, true), (DataType::LargeUtf8, false)] {
            let planned = Schema::new(vec![kind(of)]);
            let shape = ResultShape::of_schemas(&planned, None, &frames);
            assert_eq!(shape.schema().field(0).dict_is_ordered(), Some(flag));
        }
    }

    #[test]
    fn views_stay_only_where_a_frame_had_them() {
        let planned = Schema::new(vec![
            Field::new("tag", DataType::Utf8View, true),
            Field::new("initial", DataType::Utf8View, true),
        ]);
        let shape = ResultShape::of_schemas(&planned, Some(&frame()), &[frame()]);
        let schema = shape.schema();
        assert_eq!(schema.field(0).data_type(), &DataType::Utf8View);
        assert_eq!(schema.field(1).data_type(), &DataType::Utf8);
        let views: ArrayRef = Arc::new(StringViewArray::from(vec![Some("a"), None]));
        let columns = vec![Arc::clone(&views), views];
        let batch = RecordBatch::try_new(Arc::new(planned), columns).unwrap();
        let shaped = shape.apply(&batch).unwrap().remove(0);
        assert_eq!(shaped.schema(), schema);
        let expected = StringArray::from(vec![Some("a"), None]);
        assert_eq!(shaped.column(1).as_ref(), &expected);
    }
}
