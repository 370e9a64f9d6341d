//! Finding the frames that a query names.
//!
//! A bucket is a schema: a bare name is a frame of the request's own bucket, `bucket.frame` one of another.
//! The exact name comes first, then, for a name without quotes, the only one that differs in case alone. A
//! name with a dot that was written without quotes is found too, if there is no bucket to match its first
//! part. The frame that the ticket names is read at the ticket's version.

use std::sync::Arc;

use arrow_schema::SchemaRef;
use datafusion::catalog::{MemorySchemaProvider, SchemaProvider, TableProvider};
use datafusion::error::{DataFusionError, Result as DataFusionResult};
use datafusion::execution::session_state::SessionState;
use shoots_proto::{AsOf, BucketName, FrameId, FrameName};
use shoots_store::{ErrorKind, Snapshot, Store};

use super::functions::CALLS;
use super::names::{Mentions, Part, Relation};
use super::session::{CATALOG, no_such_table};
use super::table::FrameTable;
use crate::status::Failure;

/// A table of a query.
#[derive(Debug)]
pub(super) struct Found {
    /// The name as the query gives it.
    pub(super) relation: Relation,
    /// The name as it is: the frame's, with its bucket before it if the query names one.
    pub(super) path: Vec<String>,
    pub(super) table: Table,
}

/// What a table of a query holds.
#[derive(Debug)]
pub(super) enum Table {
    /// The rows of a frame.
    Frame(Snapshot),
    /// What the store says about a frame.
    Records(Arc<dyn TableProvider>),
}

impl Table {
    pub(super) fn schema(&self) -> SchemaRef {
        match self {
            Self::Frame(snapshot) => snapshot.schema(),
            Self::Records(table) => table.schema(),
        }
    }

    /// The state of a frame whose rows it holds.
    pub(super) fn snapshot(&self) -> Option<&Snapshot> {
        match self {
            Self::Frame(snapshot) => Some(snapshot),
            Self::Records(_) => None,
        }
    }

    fn provider(&self) -> Arc<dyn TableProvider> {
        match self {
            Self::Frame(snapshot) => Arc::new(FrameTable::new(snapshot.clone())),
            Self::Records(table) => Arc::clone(table),
        }
    }
}

/// Finds the frames behind a query's tables; a table that is nothing is an error.
pub(super) async fn find(
    store: &Store,
    frame: &Snapshot,
    as_of: Option<&AsOf>,
    mentions: &Mentions,
) -> Result<Vec<Found>, Failure> {
    let finder = Finder::new(store, frame, as_of);
    let mut found: Vec<Found> = Vec::new();
    for relation in &mentions.relations {
        if relation.0.first().is_some_and(|part| part.text == CALLS) {
            continue;
        }
        let cte = mentions.cte(relation);
        if cte.is_some_and(|cte| cte != relation.text()) {
            continue;
        }
        match finder.find(relation).await? {
            Some((path, snapshot)) => {
                // One state of a frame in one query, however it is spelt.
                let mut known = found.iter().filter_map(|found| found.table.snapshot());
                let same = known.find(|known| known.frame() == snapshot.frame());
                let snapshot = same.cloned().unwrap_or(snapshot);
                found.push(Found {
                    relation: relation.clone(),
                    path,
                    table: Table::Frame(snapshot),
                });
            }
            None if cte.is_some() => {}
            None => {
                let bucket = frame.frame().bucket.as_ref();
                return Err(no_such_table(&relation.text(), bucket).into());
            }
        }
    }
    Ok(found)
}

/// A frame that a query names in words.
#[derive(Debug)]
pub(super) enum Named {
    /// It is there, in the state that the query reads.
    Found(Snapshot),
    /// It is not, or not any more; its history may be.
    Gone(FrameId),
}

impl Named {
    pub(super) fn frame(&self) -> &FrameId {
        match self {
            Self::Found(snapshot) => snapshot.frame(),
            Self::Gone(frame) => frame,
        }
    }

    /// The state of the frame that the query reads.
    pub(super) async fn state(self, store: &Store) -> Result<Snapshot, Failure> {
        match self {
            Self::Found(snapshot) => Ok(snapshot),
            Self::Gone(frame) => Ok(store.frame(&frame).snapshot(None).await?),
        }
    }
}

/// Finds the frame of a name as the tables of a query are found.
pub(super) async fn named(
    store: &Store,
    frame: &Snapshot,
    as_of: Option<&AsOf>,
    relation: &Relation,
) -> Result<Named, Failure> {
    if let Some((_, snapshot)) = Finder::new(store, frame, as_of).find(relation).await? {
        return Ok(Named::Found(snapshot));
    }
    let own = frame.frame().bucket.clone();
    let named = match relation.0.as_slice() {
        [name] => (own, FrameName::parse(&name.text)),
        [bucket, name] => (
            BucketName::parse(&bucket.text).ok().or(own),
            FrameName::parse(&name.text),
        ),
        _ => (own, FrameName::parse(&relation.text())),
    };
    match named {
        (bucket, Ok(name)) => Ok(Named::Gone(FrameId::new(bucket, name))),
        (own, Err(_)) => Err(no_such_table(&relation.text(), own.as_ref()).into()),
    }
}

/// Makes the tables that were found known to a session.
pub(super) fn register(state: &SessionState, found: &[Found]) -> DataFusionResult<()> {
    let catalog = state
        .catalog_list()
        .catalog(CATALOG)
        .ok_or_else(|| DataFusionError::Internal("the session has no catalog".into()))?;
    let own = state.config_options().catalog.default_schema.clone();
    for Found { path, table, .. } in found {
        let (schema, name) = match path.as_slice() {
            [bucket, name] => (bucket, name),
            [name] => (&own, name),
            _ => continue,
        };
        let schema = match catalog.schema(schema) {
            Some(schema) => schema,
            None => {
                let provider: Arc<dyn SchemaProvider> = Arc::new(MemorySchemaProvider::new());
                catalog.register_schema(schema, Arc::clone(&provider))?;
                provider
            }
        };
        if !schema.table_exist(name) {
            schema.register_table(name.clone(), table.provider())?;
        }
    }
    Ok(())
}

struct Finder<'a> {
    store: &'a Store,
    frame: &'a Snapshot,
    as_of: Option<&'a AsOf>,
}

type Match = Option<(Vec<String>, Snapshot)>;

impl<'a> Finder<'a> {
    fn new(store: &'a Store, frame: &'a Snapshot, as_of: Option<&'a AsOf>) -> Self {
        Self {
            store,
            frame,
            as_of: as_of.filter(|as_of| matches!(as_of, AsOf::Time(_))),
        }
    }
}

impl Finder<'_> {
    async fn find(&self, relation: &Relation) -> Result<Match, Failure> {
        let own = self.frame.frame().bucket.as_ref();
        match relation.0.as_slice() {
            [name] => self.bare(own, name).await,
            [bucket, name] => {
                if let Some(bucket) = self.bucket(bucket).await?
                    && let Some(snapshot) = self.in_bucket(Some(&bucket), name).await?
                {
                    let name = snapshot.frame().name.to_string();
                    return Ok(Some((vec![bucket.to_string(), name], snapshot)));
                }
                self.dotted(own, relation).await
            }
            _ => self.dotted(own, relation).await,
        }
    }

    async fn dotted(
        &self,
        own: Option<&BucketName>,
        relation: &Relation,
    ) -> Result<Match, Failure> {
        if relation.0.iter().any(|part| part.quoted) {
            return Ok(None);
        }
        let name = Part {
            text: relation.text(),
            quoted: false,
        };
        self.bare(own, &name).await
    }

    async fn bare(&self, own: Option<&BucketName>, name: &Part) -> Result<Match, Failure> {
        let snapshot = self.in_bucket(own, name).await?;
        Ok(snapshot.map(|snapshot| (vec![snapshot.frame().name.to_string()], snapshot)))
    }

    async fn bucket(&self, part: &Part) -> Result<Option<BucketName>, Failure> {
        if let Ok(name) = BucketName::parse(&part.text)
            && self.store.bucket_exists(&name).await?
        {
            return Ok(Some(name));
        }
        if part.quoted {
            return Ok(None);
        }
        let names = self.store.buckets().await?;
        Ok(only_alike(&part.text, names, BucketName::as_str))
    }

    async fn in_bucket(
        &self,
        bucket: Option<&BucketName>,
        part: &Part,
    ) -> Result<Option<Snapshot>, Failure> {
        if let Ok(name) = FrameName::parse(&part.text) {
            let id = FrameId::new(bucket.cloned(), name);
            if id == *self.frame.frame() {
                return Ok(Some(self.frame.clone()));
            }
            if let Some(snapshot) = self.snapshot(&id).await? {
                return Ok(Some(snapshot));
            }
        }
        if part.quoted {
            return Ok(None);
        }
        let frames = match self.store.frames(bucket).await {
            Ok(frames) => frames,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let alike = only_alike(&part.text, frames, |s| s.frame().name.as_str());
        match alike {
            None => Ok(None),
            Some(same) if same.frame() == self.frame.frame() => Ok(Some(self.frame.clone())),
            Some(newest) if self.as_of.is_none() => Ok(Some(newest)),
            Some(newest) => self.snapshot(newest.frame()).await,
        }
    }

    async fn snapshot(&self, id: &FrameId) -> Result<Option<Snapshot>, Failure> {
        match self.store.frame(id).snapshot(self.as_of).await {
            Ok(snapshot) => Ok(Some(snapshot)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

/// The only one whose name differs from `text` in case alone.
fn only_alike<T>(
    text: &str,
    candidates: impl IntoIterator<Item = T>,
    name: impl Fn(&T) -> &str,
) -> Option<T> {
    let folded = text.to_lowercase();
    let mut alike = candidates
        .into_iter()
        .filter(|candidate| name(candidate).to_lowercase() == folded);
    let first = alike.next();
    first.filter(|_| alike.next().is_none())
}
