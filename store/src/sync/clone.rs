//! Clone: a frame of a remote that is not here, whole or only its newest state.

use arrow_schema::Schema;
use futures::TryStreamExt;
use shoots_proto::TagName;
use shoots_proto::action::{SyncOutcome, SyncedFrame};
use shoots_proto::as_of::AsOf;

use super::arrive;
use super::attempts::Attempts;
use super::exchange::{Ends, Exchange};
use super::options::{CloneOptions, Wanted};
use super::peer::{HistoryRecord, HistoryStream, ObjectKind, ObjectName, PeerHead};
use super::stored;
use super::transfer::Sent;
use super::walk::Divergence;
use crate::error::{Cause, ErrorKind, Result};
use crate::lineage::record::Listed;

impl Exchange<'_> {
    /// Brings a frame here that is not here.
    pub(super) async fn clone_here(&self, options: &CloneOptions) -> Result<SyncedFrame> {
        let mut attempts = Attempts::at(self.here);
        loop {
            let cloned = self.try_clone(options).await;
            if let Some(done) = attempts.judge(cloned).await? {
                return Ok(done);
            }
        }
    }

    /// None: an end has moved meanwhile.
    async fn try_clone(&self, options: &CloneOptions) -> Result<Option<SyncedFrame>> {
        let ends = self.ends().await?;
        let tip = self.expect_theirs(&ends)?;
        if let Some(ours) = ends.ours.as_ref().filter(|ours| !ours.deleted) {
            return self.cloned_before(&ends, ours).await.map(Some);
        }
        let history = self.history_there(&tip).await?;
        let sent = if options.newest_only || options.range.is_some() {
            self.clone_newest(&ends, &tip, history, options).await?
        } else {
            let records: Vec<HistoryRecord> = history.try_collect().await?;
            if records.is_empty() {
                return Err(self.incomplete(&tip));
            }
            self.check_newest(&tip, records.first())?;
            self.inward_to(&tip).begin(ends.ours(), records).await?
        };
        let Sent::Done { versions } = sent else {
            return Ok(None);
        };
        let found = Divergence::none(Some(tip.clone()));
        if let Some(theirs) = &ends.theirs {
            self.settle_in(theirs).await?;
        }
        self.track(&tip, &found, Vec::new()).await?;
        let told = self.told(SyncOutcome::Created, versions, &found, Some(tip));
        Ok(Some(told))
    }

    /// The frame is here: it may be the same one.
    async fn cloned_before(&self, ends: &Ends, ours: &PeerHead) -> Result<SyncedFrame> {
        let found = self.diverged(ends).await?;
        if found.common.is_none() || !found.theirs.is_empty() || !found.ours.is_empty() {
            let (what, name) = ("frame", self.here.to_string());
            return Err(Cause::AlreadyExists { what, name }.into());
        }
        let tip = Some(ours.tip.clone());
        Ok(self.told(SyncOutcome::Unchanged, 0, &found, tip))
    }

    /// Only the newest state, and of that perhaps only a range.
    async fn clone_newest(
        &self,
        ends: &Ends,
        tip: &str,
        mut history: HistoryStream,
        options: &CloneOptions,
    ) -> Result<Sent> {
        let record = history.try_next().await?;
        self.check_newest(tip, record.as_ref())?;
        let record = record.ok_or_else(|| self.incomplete(tip))?;
        let commit = &record.record.commit;
        let schema = self.schema_there(&commit.schema).await?;
        let wanted = Wanted::new(options.range.as_ref(), &commit.index, &schema)?;
        let wanted = |listed: &Listed| wanted.holds(listed);
        let route = self.inward_to(tip);
        let sent = route.newest(ends.ours(), record, self.remote.name, wanted);
        sent.await
    }

    /// A schema of the frame at the remote.
    async fn schema_there(&self, hash: &str) -> Result<Schema> {
        let name = ObjectName {
            kind: ObjectKind::Schema,
            id: hash.to_owned(),
        };
        let bytes = self.remote.peer.read(self.there, &name).await?;
        arrive::schema(hash, &stored::schema_bytes(hash, bytes).await?)
    }

    /// Names of versions, and how long they are kept, come along with a clone.
    async fn settle_in(&self, theirs: &PeerHead) -> Result<()> {
        let frame = self.store.frame(self.here);
        for (tag, commit) in &theirs.tags {
            let Ok(tag) = TagName::parse(tag) else {
                continue;
            };
            let as_of = AsOf::Commit(commit.clone());
            match frame.tag(&tag, Some(&as_of), true).await {
                // It names a version that did not come along.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                outcome => drop(outcome?),
            }
        }
        if theirs.retention.is_some() {
            frame.set_retention(theirs.retention).await?;
        }
        Ok(())
    }
}
