//! Statements: what a handle holds, and how it becomes rows.
//!
//! A handle is the statement itself: its SQL, the bucket of its names, and the values of its parameters. A ticket is such
//! a handle with the shape of the rows that its client was told. So any server on the same store can deliver it, and a
//! client can keep it for as long as it likes. A handle comes back from anybody: it is read as any other request is, and
//! gives nothing that its SQL would not.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use arrow_array::{RecordBatch, RecordBatchOptions};
use arrow_flight::FlightData;
use arrow_flight::sql::{ProstMessageExt, TicketStatementQuery};
use arrow_schema::{Field, Schema, SchemaRef};
use bytes::Bytes;
use datafusion::scalar::ScalarValue;
use futures::{StreamExt, TryStreamExt, stream};
use prost::Message;
use shoots_flight::{DecodeLimits, EncodeOptions};
use shoots_proto::{BucketName, ErrorKind};

use super::{Batches, REQUEST_BYTES, Shared, malformed};
use crate::query::{Parameters, Plan, Question, Scope};
use crate::status::Failure;

/// What the parameters in a handle may take.
const PARAMETER_LIMITS: DecodeLimits = DecodeLimits {
    rows: REQUEST_BYTES as u64,
    bytes: REQUEST_BYTES as u64,
};

/// A statement as a handle carries it.
#[derive(Clone, PartialEq, Message)]
struct Handle {
    /// The layout of the handle.
    #[prost(uint32, tag = "1")]
    format: u32,
    #[prost(string, tag = "2")]
    sql: String,
    /// The bucket of names that say none; nothing is the default bucket.
    #[prost(string, optional, tag = "3")]
    bucket: Option<String>,
    /// Rows of parameters: a schema and batches.
    #[prost(message, repeated, tag = "4")]
    parameters: Vec<FlightData>,
    /// The shape of the result that was told.
    #[prost(fixed64, optional, tag = "5")]
    shape: Option<u64>,
    /// What tells this ticket from others with the same contents.
    #[prost(fixed64, optional, tag = "6")]
    id: Option<u64>,
}

const FORMAT: u32 = 1;

/// A query with the values for its parameters.
#[derive(Debug, Clone)]
pub(super) struct Statement {
    sql: String,
    bucket: Option<BucketName>,
    /// Bound rows: the statement is run for each of them.
    parameters: Option<RecordBatch>,
    shape: Option<u64>,
    id: Option<u64>,
}

impl Statement {
    pub(super) fn new(sql: &str, bucket: Option<BucketName>) -> Self {
        Self {
            sql: sql.to_owned(),
            bucket,
            parameters: None,
            shape: None,
            id: None,
        }
    }

    /// Reads a handle, whoever made it.
    pub(super) fn read(handle: &[u8]) -> Result<Self, Failure> {
        const WHAT: &str = "statement handle";
        let handle = Handle::decode(handle).map_err(|e| malformed(WHAT, e))?;
        if handle.format != FORMAT {
            let problem = "is not one of this server's; prepare or execute the statement again";
            return Err(Failure::invalid(WHAT, None, problem));
        }
        let bucket = handle.bucket.as_deref().map(BucketName::parse).transpose();
        Ok(Self {
            bucket: bucket.map_err(|e| Failure::invalid(WHAT, Some("bucket"), e))?,
            parameters: read_rows(handle.parameters)?,
            sql: handle.sql,
            shape: handle.shape,
            id: handle.id,
        })
    }

    /// Makes the handle.
    pub(super) fn handle(&self) -> Result<Bytes, Failure> {
        let handle = Handle {
            format: FORMAT,
            sql: self.sql.clone(),
            bucket: self.bucket.as_ref().map(BucketName::to_string),
            parameters: write_rows(self.parameters.as_ref())?,
            shape: self.shape,
            id: self.id,
        };
        let bytes = handle.encode_to_vec();
        if bytes.len() > REQUEST_BYTES {
            let problem = format!(
                "a statement and its parameters take {} bytes; keep them below {REQUEST_BYTES}, for example by binding fewer rows at once",
                bytes.len()
            );
            return Err(Failure::new(ErrorKind::LimitError, problem));
        }
        Ok(bytes.into())
    }

    /// Makes the ticket.
    pub(super) fn ticket(&self) -> Result<Bytes, Failure> {
        let ticket = TicketStatementQuery {
            statement_handle: self.handle()?,
        };
        Ok(ticket.as_any().encode_to_vec().into())
    }

    /// What tells the ticket from others, if it is one.
    pub(super) fn id(&self) -> Option<u64> {
        self.id
    }

    /// The same statement with rows of parameters.
    pub(super) fn bound(self, parameters: RecordBatch) -> Self {
        Self {
            parameters: Some(parameters),
            shape: None,
            ..self
        }
    }

    /// The schema of the result, and the statement that promises it. Nothing is run.
    pub(super) async fn described(self, shared: &Shared) -> Result<(SchemaRef, Self), Failure> {
        let plan = self.plan(shared, self.parameters_of(0)?).await?;
        let schema = self.result_schema(&plan);
        let statement = Self {
            shape: Some(shape(&schema)),
            // Only chance may make two tickets the same: whoever cancels one must not stop another.
            id: Some(RandomState::new().hash_one(&self.sql)),
            ..self
        };
        Ok((schema, statement))
    }

    /// Plans the statement without values for its parameters.
    pub(super) async fn looked_at(&self, shared: &Shared) -> Result<Plan, Failure> {
        self.plan(shared, Parameters::Open).await
    }

    /// Runs the statement: once, or for each row of parameters in turn.
    pub(super) async fn rows(self, shared: Arc<Shared>) -> Result<(SchemaRef, Batches), Failure> {
        let run = shared.statements.begin(self.id);
        let (schema, batches) = run.unless_cancelled(self.run(Arc::clone(&shared))).await?;
        Ok((schema, run.stop_when_cancelled(batches)))
    }

    async fn run(self, shared: Arc<Shared>) -> Result<(SchemaRef, Batches), Failure> {
        let first = self.plan(&shared, self.parameters_of(0)?).await?;
        let schema = self.result_schema(&first);
        if self.shape.is_some_and(|told| told != shape(&schema)) {
            let problem =
                "a frame got other columns after the statement was looked at; execute it again";
            return Err(Failure::new(ErrorKind::ConflictError, problem));
        }
        let rows = self.parameters.as_ref().map_or(1, RecordBatch::num_rows);
        let first: Batches = Box::pin(first.run().await?);
        let result = Arc::clone(&schema);
        let more = stream::iter(1..rows).then(move |row| {
            let (shared, statement) = (Arc::clone(&shared), self.clone());
            async move {
                let parameters = statement.parameters_of(row)?;
                let plan = statement.plan(&shared, parameters).await?;
                let batches: Batches = Box::pin(plan.run().await?);
                Ok::<_, Failure>(batches)
            }
        });
        let all = stream::iter([Ok(first)]).chain(more).try_flatten();
        let all = all.map(move |batch| with_schema(&result, batch?));
        Ok((schema, Box::pin(all)))
    }

    async fn plan(&self, shared: &Shared, parameters: Parameters) -> Result<Plan, Failure> {
        let scope = Scope {
            bucket: self.bucket.clone(),
            frame: None,
            as_of: None,
        };
        let question = Question {
            sql: self.sql.clone(),
            scope,
            parameters,
            columns: None,
            offset: None,
            limit: None,
        };
        shared.queries.plan(&shared.store, question).await
    }

    /// The schema of all rows. Which columns can be null may differ between rows of parameters.
    fn result_schema(&self, plan: &Plan) -> SchemaRef {
        let schema = plan.schema();
        let several = self.parameters.as_ref().is_some_and(|p| p.num_rows() > 1);
        if !several {
            return schema;
        }
        let fields = schema.fields().iter();
        let fields: Vec<Field> = fields
            .map(|field| Field::clone(field).with_nullable(true))
            .collect();
        Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()))
    }

    fn parameters_of(&self, row: usize) -> Result<Parameters, Failure> {
        let Some(batch) = &self.parameters else {
            return Ok(Parameters::default());
        };
        let schema = batch.schema();
        let values = batch.columns().iter().zip(schema.fields());
        let values = values.map(|(column, field)| {
            let value = ScalarValue::try_from_array(column, row)?;
            Ok((field.name().clone(), value))
        });
        let values: Result<_, Failure> = values.collect();
        Ok(Parameters::Row(values?))
    }
}

/// A number for names, types and nullability of columns: the same for the same ones, on every server.
fn shape(schema: &Schema) -> u64 {
    // FNV-1a, in 64 bits. It need not withstand anybody: who forges it only loses a check.
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;
    let mut hash = OFFSET;
    for field in schema.fields() {
        let nullable = field.is_nullable();
        let text = format!("{:?} {} {nullable}\n", field.name(), field.data_type());
        for byte in text.bytes() {
            hash = (hash ^ u64::from(byte)).wrapping_mul(PRIME);
        }
    }
    hash
}

fn with_schema(schema: &SchemaRef, batch: RecordBatch) -> Result<RecordBatch, Failure> {
    if batch.schema_ref() == schema {
        return Ok(batch);
    }
    let rows = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    let columns = batch.columns().to_vec();
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &rows).map_err(|_| {
        let problem =
            "the parameters' rows give results of different types; cast the columns in the query";
        Failure::new(ErrorKind::SchemaError, problem)
    })
}

/// Rows of parameters as messages. They are at hand, so nothing is waited for.
fn write_rows(rows: Option<&RecordBatch>) -> Result<Vec<FlightData>, Failure> {
    let Some(rows) = rows else {
        return Ok(Vec::new());
    };
    let batches = stream::iter([Ok::<_, Failure>(rows.clone())]);
    let messages = shoots_flight::encode(rows.schema(), batches, EncodeOptions::default());
    futures::executor::block_on(messages.try_collect())
}

fn read_rows(messages: Vec<FlightData>) -> Result<Option<RecordBatch>, Failure> {
    if messages.is_empty() {
        return Ok(None);
    }
    let messages = stream::iter(messages.into_iter().map(Ok::<_, Failure>));
    let batches = shoots_flight::decode(messages).with_limits(PARAMETER_LIMITS);
    futures::executor::block_on(collect(batches)).map(Some)
}

/// The rows of parameters in a stream, of which there must be some.
pub(super) async fn collect<S>(
    mut batches: shoots_flight::Decoder<S>,
) -> Result<RecordBatch, Failure>
where
    S: futures::Stream<Item = Result<FlightData, Failure>>,
{
    const WHAT: &str = "parameters";
    let schema = batches.read_schema().await?;
    let mut rows = Vec::new();
    let mut bytes = 0;
    while let Some(batch) = batches.try_next().await? {
        bytes += shoots_flight::encoded_size(&batch);
        if bytes > REQUEST_BYTES {
            let problem = format!("take more than {REQUEST_BYTES} bytes; bind fewer rows at once");
            return Err(Failure::invalid(WHAT, None, problem));
        }
        rows.push(batch);
    }
    let rows = arrow_select::concat::concat_batches(&schema, &rows);
    let rows = rows.map_err(|e| Failure::invalid(WHAT, None, e))?;
    if rows.num_rows() == 0 {
        let problem = "have no rows; bind at least one";
        return Err(Failure::invalid(WHAT, None, problem));
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use arrow_array::{ArrayRef, Int64Array, StringArray};

    use super::*;

    fn rows() -> RecordBatch {
        let numbers: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None]));
        let texts: ArrayRef = Arc::new(StringArray::from(vec!["a", "b"]));
        RecordBatch::try_from_iter([("0", numbers), ("1", texts)]).unwrap()
    }

    #[test]
    fn a_handle_says_all_that_was_asked() {
        let bucket = BucketName::parse("nyc").unwrap();
        let statement = Statement::new("select $1", Some(bucket.clone())).bound(rows());
        let read = Statement::read(&statement.handle().unwrap()).unwrap();
        assert_eq!(read.sql, "select $1");
        assert_eq!(read.bucket, Some(bucket));
        assert_eq!(read.parameters, Some(rows()));
    }

    #[test]
    fn a_forged_handle_is_refused_and_never_a_panic() {
        let good = Statement::new("select $1", None).bound(rows());
        let good = good.handle().unwrap();
        for at in 0..good.len() {
            let mut bytes = good.to_vec();
            bytes[at] ^= 0x55;
            let _ = Statement::read(&bytes);
            let _ = Statement::read(&good[..at]);
        }
        for bad in [
            b"".as_slice(),
            b"select 1",
            b"\xff\xff\xff\xff",
            &Handle::default().encode_to_vec(),
            &Handle {
                format: FORMAT,
                bucket: Some("../etc".into()),
                ..Handle::default()
            }
            .encode_to_vec(),
            &Handle {
                format: FORMAT,
                parameters: vec![FlightData::default()],
                ..Handle::default()
            }
            .encode_to_vec(),
        ] {
            assert!(Statement::read(bad).is_err(), "{}", bad.escape_ascii());
        }
    }

    #[test]
    fn a_handle_that_no_request_could_carry_is_not_made() {
        let long = Statement::new(&"x".repeat(REQUEST_BYTES), None);
        let failure = long.handle().unwrap_err();
        assert!(failure.to_string().contains("bytes"), "{failure}");
    }

    #[test]
    fn the_shape_tells_columns_apart() {
        let fields = |name: &str, nullable| {
            Schema::new(vec![Field::new(
                name,
                arrow_schema::DataType::Int8,
                nullable,
            )])
        };
        assert_eq!(shape(&fields("a", true)), shape(&fields("a", true)));
        assert_ne!(shape(&fields("a", true)), shape(&fields("b", true)));
        assert_ne!(shape(&fields("a", true)), shape(&fields("a", false)));
        assert_ne!(shape(&fields("a", true)), shape(&Schema::empty()));
    }
}
