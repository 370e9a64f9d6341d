//! How long versions are kept: a rule of the store, of a bucket, or of a frame; the nearest one counts.
//!
//! A frame's rule is a property in its log, a bucket's is a small object beside its frames, numbered like a log so
//! that two who set it at the same time do not overwrite each other. The store's is a setting.

use object_store::path::Path;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shoots_proto::action::{Retention, RetentionResult};
use shoots_proto::name::BucketName;

use crate::edit::properties::SetProperty;
use crate::error::{Cause, Error, Result};
use crate::frame::Frame;
use crate::layout;
use crate::log::commit::State;
use crate::numbered;
use crate::objects::{Created, Objects};
use crate::sealed::Sealed;
use crate::shared::Shared;
use crate::store::Store;

/// The property of a frame.
const PROPERTY: &str = "retention";
/// Others that may come first when a bucket's rule is set.
const MAX_ATTEMPTS: u32 = 20;
/// After so long, a bucket's rule is looked up again by those who may go by an older one.
const REMEMBERED_SECONDS: u64 = 600;

/// The rule of a store, if nothing else is set: what was there in the last two days can be had back, and the last ten
/// versions however old they are. So what was replaced yesterday can be undone, and a frame that is replaced every
/// minute takes the room of three days' versions (the third is the sweep's grace period), not of all.
#[must_use]
pub fn default_retention() -> Retention {
    Retention {
        keep_versions: Some(10),
        keep_seconds: Some(48 * 3600),
        keep_tagged: true,
    }
}

/// A bucket's rule as it is stored.
#[derive(Debug, Serialize, Deserialize)]
struct BucketRule {
    /// The object itself; none in those that are older than seals.
    #[serde(default)]
    object: Option<String>,
    retention: Option<Retention>,
}

impl Sealed for BucketRule {
    const KIND: &'static str = "bucket settings";
    const FORMAT: u32 = 2;
    const UNSEALED: u32 = 1;

    fn belongs_to(&self, object: &Path) -> bool {
        self.object.as_deref() == Some(object.as_ref())
    }
}

/// A frame's own rule.
pub(crate) fn own(state: &State) -> Option<Retention> {
    let value = state.properties.get(PROPERTY)?;
    serde_json::from_value(value.clone()).ok()
}

/// The rule that counts for a frame.
pub(crate) async fn effective(
    shared: &Shared,
    bucket: Option<&BucketName>,
    state: Option<&State>,
) -> Result<Retention> {
    if let Some(own) = state.and_then(own) {
        return Ok(own);
    }
    let rule = looked_up(shared, bucket).await?;
    Ok(rule.unwrap_or(shared.retention))
}

/// The same, with a bucket's rule that may be some minutes old.
pub(crate) async fn remembered(
    shared: &Shared,
    bucket: Option<&BucketName>,
    state: &State,
) -> Result<Retention> {
    if let Some(own) = own(state) {
        return Ok(own);
    }
    let now = shared.environment.now();
    let known = shared.rules.get(&bucket.cloned());
    let known = known.filter(|(seen, _)| now.seconds_since(*seen) < REMEMBERED_SECONDS);
    let rule = match known {
        Some((_, rule)) => rule,
        None => looked_up(shared, bucket).await?,
    };
    Ok(rule.unwrap_or(shared.retention))
}

/// A bucket's rule, which is remembered.
async fn looked_up(shared: &Shared, bucket: Option<&BucketName>) -> Result<Option<Retention>> {
    let seen = shared.environment.now();
    let rule = of_bucket(&shared.objects, bucket).await?;
    shared.rules.insert(bucket.cloned(), (seen, rule));
    Ok(rule)
}

async fn of_bucket(objects: &Objects, bucket: Option<&BucketName>) -> Result<Option<Retention>> {
    let newest = numbered::newest::<BucketRule>(objects, &layout::bucket_settings(bucket)).await?;
    match newest {
        Some(rule) => Ok(rule.content?.retention),
        None => Ok(None),
    }
}

/// Whether a bucket has a rule, or one that cannot be read.
pub(crate) async fn is_ruled(shared: &Shared, bucket: &BucketName) -> Result<bool> {
    let folder = layout::bucket_settings(Some(bucket));
    let newest = numbered::newest::<BucketRule>(&shared.objects, &folder).await?;
    let unruled = |rule: Result<BucketRule>| rule.is_ok_and(|rule| rule.retention.is_none());
    Ok(newest.is_some_and(|newest| !unruled(newest.content)))
}

/// Takes a bucket's rule back. What is stored says so: its numbers must not begin anew.
pub(crate) async fn take_back(shared: &Shared, bucket: &BucketName) -> Result<()> {
    set_of_bucket(&shared.objects, Some(bucket), None).await?;
    looked_up(shared, Some(bucket)).await.map(drop)
}

/// Looks whether a bucket's rule, as it is stored in an object, can be read.
pub(crate) async fn check_stored(objects: &Objects, object: &Path) -> Result<()> {
    match objects.read(object).await? {
        Some(bytes) => BucketRule::unseal(object, &bytes).map(drop),
        None => Ok(()),
    }
}

async fn set_of_bucket(
    objects: &Objects,
    bucket: Option<&BucketName>,
    retention: Option<Retention>,
) -> Result<()> {
    let folder = layout::bucket_settings(bucket);
    for _ in 0..MAX_ATTEMPTS {
        let newest = numbered::newest::<BucketRule>(objects, &folder).await?;
        let number = newest.map_or(0, |rule| rule.number);
        let rule = |object| BucketRule {
            object: Some(object),
            retention,
        };
        if numbered::create_after(objects, &folder, number, rule).await? == Created::Yes {
            return Ok(());
        }
    }
    let problem = "others set the rule of the bucket again and again".to_owned();
    Err(Cause::Conflict(problem).into())
}

fn check(retention: Option<Retention>) -> Result<()> {
    if retention.is_some_and(|rule| rule.keep_versions == Some(0)) {
        let problem = "it must be at least 1: the newest version is always kept";
        return Err(Error::invalid("keep_versions", problem));
    }
    Ok(())
}

impl Frame {
    /// How long the frame's versions are kept: its own rule, and the one that counts.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) if there never was such a frame.
    pub async fn retention(&self) -> Result<RetentionResult> {
        let log = self.frame_log();
        let head = log.newest().await?;
        let state = head.as_ref().map(|head| &head.entry.state);
        if state.is_none() && !self.exists().await? {
            return Err(log.not_found());
        }
        let bucket = self.id().bucket.as_ref();
        Ok(RetentionResult {
            own: state.and_then(own),
            effective: effective(log.shared(), bucket, state).await?,
        })
    }

    /// Sets the frame's own rule; none: that of its bucket, or of the store, counts again.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) if there never was such a frame.
    pub async fn set_retention(&self, retention: Option<Retention>) -> Result<RetentionResult> {
        check(retention)?;
        let value = match retention {
            Some(rule) => {
                serde_json::to_value(rule).map_err(|error| Error::io("encoding a rule", error))?
            }
            None => Value::Null,
        };
        let change = SetProperty {
            key: PROPERTY,
            value,
        };
        self.change(change).await?;
        self.retention().await
    }
}

impl Store {
    /// How long versions of a bucket's frames are kept, unless a frame has a rule of its own.
    ///
    /// # Errors
    /// If the storage cannot be read.
    pub async fn retention(&self, bucket: Option<&BucketName>) -> Result<RetentionResult> {
        Ok(RetentionResult {
            own: looked_up(self.shared(), bucket).await?,
            effective: effective(self.shared(), bucket, None).await?,
        })
    }

    /// Sets a bucket's rule; none: that of the store counts again. A bucket that was deleted has none, and its frames
    /// that can still be undeleted may be given one.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) if there is no such bucket and none of its frames has left
    /// anything.
    pub async fn set_retention(
        &self,
        bucket: Option<&BucketName>,
        retention: Option<Retention>,
    ) -> Result<RetentionResult> {
        self.shared().check_writable()?;
        check(retention)?;
        if let Some(bucket) = bucket {
            let frames = self.logged_frames(Some(bucket)).await;
            let leftover = retention.is_none() && is_ruled(self.shared(), bucket).await?;
            if !leftover {
                frames?;
            }
        }
        set_of_bucket(&self.shared().objects, bucket, retention).await?;
        self.retention(bucket).await
    }
}
