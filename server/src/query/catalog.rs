//! Finding the frames that a query names.
//!
//! A bucket is a schema: a bare name is a frame of the request's own bucket, `bucket.frame` one of another, and
//! `"".frame` one of the default bucket; the catalog's own name may stand before the bucket.
//! The exact name comes first, then, for a name without quotes, the only one that differs in case alone. A
//! name with a dot that was written without quotes is found too, if there is no bucket to match its first
//! part. The frame that the ticket names is read at the ticket's version, and every frame in one state, however
//! often and however spelt the query names it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow_schema::SchemaRef;
use datafusion::catalog::{MemorySchemaProvider, SchemaProvider, TableProvider};
use datafusion::error::{DataFusionError, Result as DataFusionResult};
use datafusion::execution::session_state::SessionState;
use shoots_proto::{AsOf, BucketName, FrameId, FrameName};
use shoots_store::{ErrorKind, Snapshot};

use super::clauses::placed;
use super::functions::CALLS;
use super::information;
use super::names::Mentions;
use super::relation::{Part, Relation};
use super::session::{CATALOG, DEFAULT_BUCKET, no_such_table};
use super::table::FrameTable;
use crate::access::CallerStore;
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
    /// What is made of frames, or said about them.
    Made(Arc<dyn TableProvider>),
}

impl Table {
    pub(super) fn schema(&self) -> SchemaRef {
        match self {
            Self::Frame(snapshot) => snapshot.schema(),
            Self::Made(table) => table.schema(),
        }
    }

    /// The state of a frame whose rows it holds.
    pub(super) fn snapshot(&self) -> Option<&Snapshot> {
        match self {
            Self::Frame(snapshot) => Some(snapshot),
            Self::Made(_) => None,
        }
    }

    fn provider(&self) -> Arc<dyn TableProvider> {
        match self {
            Self::Frame(snapshot) => Arc::new(FrameTable::new(snapshot.clone())),
            Self::Made(table) => Arc::clone(table),
        }
    }
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

/// Where the names of a query mean something.
#[derive(Debug, Clone)]
pub(crate) struct Scope {
    /// The bucket of names that say none; `None` is the default bucket.
    pub(crate) bucket: Option<BucketName>,
    /// A frame that is read in this state.
    pub(crate) frame: Option<Snapshot>,
    /// A point in time applies to every frame of the query; another state only to `frame`, which has it already.
    pub(crate) as_of: Option<AsOf>,
}

impl Scope {
    /// That of a ticket for a frame.
    pub(crate) fn of(frame: &Snapshot, as_of: Option<AsOf>) -> Self {
        Self {
            bucket: frame.frame().bucket.clone(),
            frame: Some(frame.clone()),
            as_of,
        }
    }
}

/// The frames that a query can name.
#[derive(Debug)]
pub(super) struct Frames<'a> {
    store: &'a CallerStore,
    scope: &'a Scope,
    /// The states that the query reads.
    read: Mutex<HashMap<FrameId, Snapshot>>,
}

/// The name of a frame as it is, with its bucket before it if the query names one, and its state.
type Match = Option<(Vec<String>, Snapshot)>;

impl<'a> Frames<'a> {
    pub(super) fn new(store: &'a CallerStore, scope: &'a Scope) -> Self {
        let own = scope.frame.iter();
        let own = own.map(|own| (own.frame().clone(), own.clone()));
        Self {
            store,
            scope,
            read: Mutex::new(own.collect()),
        }
    }

    pub(super) fn store(&self) -> &CallerStore {
        self.store
    }

    /// The frames behind a query's tables; a table that is nothing is an error.
    pub(super) async fn of(&self, mentions: &Mentions) -> Result<Vec<Found>, Failure> {
        let mut found: Vec<Found> = Vec::new();
        for relation in &mentions.relations {
            let is_call = relation.0.first().is_some_and(|part| part.text == CALLS);
            if is_call || information::holds(relation) {
                continue;
            }
            let cte = mentions.cte(relation);
            if cte.is_some_and(|cte| cte != relation.text()) {
                continue;
            }
            match self.find(relation).await {
                Ok(Some((path, snapshot))) => found.push(Found {
                    relation: relation.clone(),
                    path,
                    table: Table::Frame(snapshot),
                }),
                Ok(None) if cte.is_some() => {}
                Err(failure) if failure.is_denied() && cte.is_some() => {}
                Err(failure) => return Err(failure),
                Ok(None) => {
                    let nothing = self.nothing(relation).await;
                    return Err(placed(nothing, mentions.place(relation)).into());
                }
            }
        }
        Ok(found)
    }

    /// The state of a frame that a statement names; that there is none is an error.
    pub(super) async fn existing(&self, relation: &Relation) -> Result<Snapshot, Failure> {
        let found = self.find(relation).await?;
        match found {
            Some((_, snapshot)) => Ok(snapshot),
            None => Err(self.nothing(relation).await.into()),
        }
    }

    /// All frames by bucket, in their newest states, or in those that the query reads. What cannot be read is left out.
    pub(super) async fn all(&self) -> Result<Vec<(String, Vec<Snapshot>)>, Failure> {
        let mut all = Vec::new();
        for bucket in self.store.all_buckets().await? {
            let frames = self.store.frames_of_each(bucket.as_ref()).await?;
            let frames = frames.into_iter().map(|frame| self.one_state(frame));
            let name = bucket.as_ref().map_or(DEFAULT_BUCKET, BucketName::as_str);
            all.push((name.to_owned(), frames.collect()));
        }
        Ok(all)
    }

    /// The state of a frame that is named in words, as the tables of a query are named.
    pub(super) async fn state(&self, name: &str) -> Result<Snapshot, Failure> {
        match self.named(name).await? {
            Named::Found(snapshot) => Ok(snapshot),
            Named::Gone(frame) => Ok(self.store.read(&frame)?.snapshot(None).await?),
        }
    }

    /// The frame that is named in words, be it there or not.
    pub(super) async fn named(&self, name: &str) -> Result<Named, Failure> {
        let quoted = Relation::quoted(name);
        let dotted = Relation::dotted(name);
        for relation in quoted.iter().chain([&dotted]) {
            if let Some((_, snapshot)) = self.find(relation).await? {
                return Ok(Named::Found(snapshot));
            }
        }
        let own = self.scope.bucket.clone();
        let relation = quoted.unwrap_or(dotted);
        let named = match relation.0.as_slice() {
            [name] => (own, FrameName::parse(&name.text)),
            [bucket, name] if bucket.is_default_bucket() => (None, FrameName::parse(&name.text)),
            [bucket, name] => (
                BucketName::parse(&bucket.text).ok().or(own),
                FrameName::parse(&name.text),
            ),
            _ => (own, FrameName::parse(name)),
        };
        match named {
            (bucket, Ok(name)) => Ok(Named::Gone(FrameId::new(bucket, name))),
            (_, Err(_)) => Err(self.nothing(&relation).await.into()),
        }
    }

    async fn nothing(&self, relation: &Relation) -> DataFusionError {
        let own = self.scope.bucket.as_ref();
        no_such_table(&relation.text(), own, self.meant(relation).await)
    }

    /// The frame that may be meant by a name that is none, in the bucket that it names.
    async fn meant(&self, relation: &Relation) -> Option<Relation> {
        let (bucket, before, name) = match relation.0.as_slice() {
            [name] => (self.scope.bucket.clone(), None, name),
            [bucket, name] | [_, bucket, name] if relation.is_in(CATALOG) => {
                let named = match bucket.is_default_bucket() {
                    true => None,
                    false => Some(self.bucket(bucket).await.ok()??),
                };
                let before = named.as_ref().map_or(DEFAULT_BUCKET, BucketName::as_str);
                let before = before.to_owned();
                (named, Some(before), name)
            }
            _ => return None,
        };
        let missing = FrameId::new(bucket, FrameName::parse(&name.text).ok()?);
        let near = self.store.nearest_frame(&missing).await?.to_string();
        Some(Relation::of_names(before.into_iter().chain([near])))
    }

    async fn find(&self, relation: &Relation) -> Result<Match, Failure> {
        let own = self.scope.bucket.as_ref();
        match relation.0.as_slice() {
            [name] => self.bare(own, name).await,
            [bucket, name] | [_, bucket, name] if relation.is_in(CATALOG) => {
                let denied = match self.in_named_bucket(bucket, name).await {
                    Ok(Some(found)) => return Ok(Some(found)),
                    Ok(None) => None,
                    Err(failure) if failure.is_denied() => Some(failure),
                    Err(failure) => return Err(failure),
                };
                match (self.dotted(own, relation).await, denied) {
                    (Ok(None), Some(denied)) => Err(denied),
                    (Err(failure), Some(denied)) if failure.is_denied() => Err(denied),
                    (outcome, _) => outcome,
                }
            }
            _ => self.dotted(own, relation).await,
        }
    }

    async fn in_named_bucket(&self, bucket: &Part, name: &Part) -> Result<Match, Failure> {
        if bucket.is_default_bucket() {
            let snapshot = self.in_bucket(None, name).await?;
            return Ok(snapshot.map(|snapshot| {
                let name = snapshot.frame().name.to_string();
                (vec![DEFAULT_BUCKET.to_owned(), name], snapshot)
            }));
        }
        let Some(bucket) = self.bucket(bucket).await? else {
            return Ok(None);
        };
        let snapshot = self.in_bucket(Some(&bucket), name).await?;
        Ok(snapshot.map(|snapshot| {
            let name = snapshot.frame().name.to_string();
            (vec![bucket.to_string(), name], snapshot)
        }))
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
        let mut denied = None;
        if let Ok(name) = BucketName::parse(&part.text) {
            match self.store.bucket_exists(&name).await {
                Ok(true) => return Ok(Some(name)),
                Ok(false) => {}
                Err(failure) if failure.is_denied() => denied = Some(failure),
                Err(failure) => return Err(failure),
            }
        }
        let alike = match part.quoted {
            true => None,
            false => only_alike(&part.text, self.store.buckets().await?, BucketName::as_str),
        };
        match (alike, denied) {
            (None, Some(denied)) => Err(denied),
            (alike, _) => Ok(alike),
        }
    }

    async fn in_bucket(
        &self,
        bucket: Option<&BucketName>,
        part: &Part,
    ) -> Result<Option<Snapshot>, Failure> {
        if let Ok(name) = FrameName::parse(&part.text) {
            let id = FrameId::new(bucket.cloned(), name);
            if let Some(snapshot) = self.snapshot(&id).await? {
                return Ok(Some(snapshot));
            }
        }
        if part.quoted {
            return Ok(None);
        }
        let frames = match self.store.frames(bucket).await {
            Ok(frames) => frames,
            Err(failure) if failure.is_not_found() => return Ok(None),
            Err(failure) => return Err(failure),
        };
        match only_alike(&part.text, frames, |s| s.frame().name.as_str()) {
            None => Ok(None),
            Some(newest) if self.time().is_none() => Ok(Some(self.one_state(newest))),
            Some(newest) => self.snapshot(newest.frame()).await,
        }
    }

    async fn snapshot(&self, id: &FrameId) -> Result<Option<Snapshot>, Failure> {
        if let Some(read) = self.states().get(id) {
            return Ok(Some(read.clone()));
        }
        match self.store.read(id)?.snapshot(self.time()).await {
            Ok(snapshot) => Ok(Some(self.one_state(snapshot))),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The state in which the query reads a frame: the first that it was seen in.
    fn one_state(&self, snapshot: Snapshot) -> Snapshot {
        let mut states = self.states();
        let first = states.entry(snapshot.frame().clone()).or_insert(snapshot);
        first.clone()
    }

    fn states(&self) -> MutexGuard<'_, HashMap<FrameId, Snapshot>> {
        self.read.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn time(&self) -> Option<&AsOf> {
        let time = self.scope.as_of.as_ref();
        time.filter(|as_of| matches!(as_of, AsOf::Time(_)))
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
