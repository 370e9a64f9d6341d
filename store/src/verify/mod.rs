//! Checks what is stored against what was recorded of it.
//!
//! Everything that a version needs which can still be read is looked at: the log's entries and how they follow each
//! other ([`history`]), checkpoints, schemas, deletion vectors and segments, each against its hash ([`frame`]); of
//! the segments, all or a sample are read. With a bucket its marker and rule are looked at, and with all buckets what lies
//! beside them: snapshots and remotes. Nothing comes from a cache. Damage is reported and never ends the check
//! ([`findings`]), nor does what the system does not let this program look into; a storage that cannot be reached does.
//! What a frame takes in memory meanwhile are the names of its objects; bytes are streamed.

mod findings;
mod frame;
mod history;

use futures::{StreamExt, stream};
use object_store::path::Path;
use shoots_proto::action::{VerifyRequest, VerifyResult};
use shoots_proto::name::{BucketName, FrameId};

use crate::error::Result;
use crate::frame_log::FrameLog;
use crate::layout;
use crate::objects::Objects;
use crate::remotes;
use crate::snapshots::record;
use crate::store::Store;
use crate::upkeep::retention;
use findings::{Checked, Findings};
pub(crate) use frame::unreferenced;

/// Frames that are checked at the same time.
const PARALLEL_FRAMES: usize = 4;
/// Objects of a frame that are read at the same time.
const PARALLEL_READS: usize = 8;

/// Which segments are read.
#[derive(Debug)]
struct Sample {
    share: f64,
    seed: [u8; 16],
}

impl Sample {
    /// No segment is read.
    fn nothing() -> Self {
        Self {
            share: -1.0,
            seed: [0; 16],
        }
    }

    fn takes(&self, segment: &str) -> bool {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.seed).update(segment.as_bytes());
        let mut bits = [0; 4];
        hasher.finalize_xof().fill(&mut bits);
        f64::from(u32::from_le_bytes(bits)) < self.share * f64::from(u32::MAX) + 1.0
    }
}

impl Store {
    /// Checks a frame, the frames of a bucket, or all frames.
    ///
    /// Objects that nothing refers to are reported when they are more than a day old. If a part of the log is
    /// unreadable, what it refers to is unknown, and nothing of that frame is called unreferenced.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) if there is no such frame or bucket,
    /// [`ErrorKind::Io`](crate::ErrorKind::Io) if the storage cannot be reached.
    pub async fn verify(&self, request: &VerifyRequest) -> Result<VerifyResult> {
        let sample = Sample {
            share: request.sample.unwrap_or(1.0),
            seed: self.shared().environment.unique().to_le_bytes(),
        };
        let mut findings = Findings::default();
        match (&request.name, request.all_buckets) {
            (Some(name), _) => {
                let (bucket, name) = (request.bucket.clone(), name.clone());
                let frame = self.frame(&FrameId { bucket, name });
                let found = verify_frame(frame.frame_log(), &sample).await?;
                findings.add(found.ok_or_else(|| frame.frame_log().not_found())?);
            }
            (None, false) => {
                let bucket = request.bucket.as_ref();
                findings.add(self.verify_bucket(bucket, &sample, true).await?);
            }
            (None, true) => {
                findings.add(self.verify_bucket(None, &sample, false).await?);
                for bucket in self.bucket_folders().await? {
                    let bucket = Some(&bucket);
                    findings.add(self.verify_bucket(bucket, &sample, false).await?);
                }
                findings.add(
                    self.verify_records(&layout::snapshots(), record::read)
                        .await?,
                );
                findings.add(
                    self.verify_records(&layout::remotes(), remotes::check_stored)
                        .await?,
                );
            }
        }
        Ok(findings.told())
    }

    async fn verify_bucket(
        &self,
        bucket: Option<&BucketName>,
        sample: &Sample,
        must_exist: bool,
    ) -> Result<Findings> {
        let names: Vec<_> = match self.candidates(bucket).await {
            Err(error) if error.is_of_one_frame() => {
                let mut findings = Findings::default();
                let folder = layout::bucket_folder(bucket);
                findings.note(&folder, Checked::Damaged(error.without_paths()));
                return Ok(findings);
            }
            names => names?.into_keys().collect(),
        };
        if let Some(bucket) = bucket.filter(|_| must_exist) {
            self.expect_bucket(bucket, &names).await?;
        }
        let mut checks = stream::iter(names)
            .map(|name| async move {
                let bucket = bucket.cloned();
                let frame = self.frame(&FrameId { bucket, name });
                verify_frame(frame.frame_log(), sample).await
            })
            .buffered(PARALLEL_FRAMES);
        let settings = layout::bucket_settings(bucket);
        let mut findings = self
            .verify_records(&settings, retention::check_stored)
            .await?;
        if let Some(bucket) = bucket {
            let marker = layout::bucket_marker(bucket);
            let look = self.shared().objects.uncached().size(&marker).await;
            if let checked @ Checked::Damaged(_) = Checked::after(0, look)? {
                findings.note(&marker, checked);
            }
        }
        while let Some(found) = checks.next().await {
            findings.add(found?.unwrap_or_default());
        }
        Ok(findings)
    }

    /// Checks the small objects below a folder, which say by themselves whether they are as they were written.
    async fn verify_records<T>(
        &self,
        folder: &Path,
        read: impl AsyncFn(&Objects, &Path) -> Result<T>,
    ) -> Result<Findings> {
        let objects = self.shared().objects.uncached();
        let mut findings = Findings::default();
        let listed = match objects.list_all(folder).await {
            Err(error) if error.is_of_one_frame() => {
                findings.note(folder, Checked::Damaged(error.without_paths()));
                return Ok(findings);
            }
            listed => listed?,
        };
        for object in listed {
            let read = read(&objects, &object.location).await;
            findings.note(&object.location, Checked::after(object.size, read)?);
        }
        Ok(findings)
    }
}

/// Checks a frame, of which it is a finding that it cannot be looked at; none if there is nothing of this name.
async fn verify_frame(log: &FrameLog, sample: &Sample) -> Result<Option<Findings>> {
    match frame::check(log, sample).await {
        Err(error) if error.is_of_one_frame() => {
            let mut findings = Findings::default();
            findings.frames = 1;
            let folder = log.paths().folder();
            findings.note(&folder, Checked::Damaged(error.without_paths()));
            Ok(Some(findings))
        }
        found => found,
    }
}

#[cfg(test)]
mod tests {
    use super::Sample;

    #[test]
    fn a_sample_takes_about_its_share_and_all_of_it_takes_all() {
        let taken = |share: f64, seed: u8| {
            let seed = [seed; 16];
            let sample = Sample { share, seed };
            let names = (0..1_000).map(|name: u32| format!("{name:032x}"));
            names.filter(|name| sample.takes(name)).collect::<Vec<_>>()
        };
        assert_eq!(taken(1.0, 0).len(), 1_000);
        let (one, other) = (taken(0.2, 1), taken(0.2, 2));
        for some in [&one, &other] {
            assert!((120..280).contains(&some.len()), "{}", some.len());
        }
        assert_ne!(one, other);
    }
}
