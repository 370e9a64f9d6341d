//! Names: what is accepted as one is found under it, in a folder and in memory, and nothing else is.

use shoots_proto::{
    BucketName, FrameId, FrameName, Remote, RemoteName, RemoteUrl, SnapshotName, TagName,
};
use shoots_store::{PutOptions, Store};
use tempfile::TempDir;

use super::text;
use crate::child::{Target, Verdict};
use crate::input::{Input, texts};
use crate::wire::numbers;

/// One input in so many goes to the disk, which takes longer.
const ON_DISK: usize = 16;

pub(super) struct Names {
    tried: usize,
}

impl Target for Names {
    const NAME: &'static str = "names";

    async fn begin() -> Self {
        Self { tried: 0 }
    }

    async fn seeds(&mut self) -> Vec<Input> {
        [
            ["weather", "nyc", "eod", "nightly"],
            ["a b/c", "_default", "v1.0", "2024-01-31"],
            ["été", "Ω", "😀", "-1"],
            ["x.parquet", "_snapshots", "CON", "latest"],
            ["a%2Fb", "..", "#1", "file#12"],
            ["log", "segments", "grpc+tls://host:1/x", "s3://bucket/a b"],
            [
                "name=file:///tmp/x;token=env:SHOOTS_REMOTE_A",
                "env:A",
                "file:///x",
                "az://a/b",
            ],
        ]
        .map(texts)
        .to_vec()
    }

    async fn run(&mut self, input: &Input) -> Verdict {
        let all: Vec<String> = (0..input.len()).map(|part| text(input, part)).collect();
        let mut told = String::new();
        for name in &all {
            told += &format!("{:?}", TagName::parse(name).map(drop));
            told += &format!("{:?}", SnapshotName::parse(name).map(drop));
            told += &format!("{:?}", RemoteName::parse(name).map(drop));
            told += &format!("{:?}", RemoteUrl::parse(name).map(drop));
            told += &format!(
                "{:?}",
                serde_json::from_value::<Remote>(name.as_str().into()).map(drop)
            );
        }
        let Some(name) = all.first() else {
            return Verdict::told(told);
        };
        let name = match FrameName::parse(name) {
            Ok(name) => name,
            Err(error) => return Verdict::told(format!("{error}{told}")),
        };
        let bucket = match all.get(1).map(|bucket| BucketName::parse(bucket)) {
            None => None,
            Some(Ok(bucket)) => Some(bucket),
            Some(Err(error)) => return Verdict::told(format!("{error}{told}")),
        };
        self.tried += 1;
        let folder = TempDir::new().unwrap();
        let location = match self.tried % ON_DISK {
            0 => folder.path().to_str().unwrap(),
            _ => "memory://",
        };
        match kept(location, FrameId::new(bucket, name)).await {
            Ok(()) => Verdict::told(format!("ok {told}")),
            Err(defect) => Verdict::defect(defect),
        }
    }
}

/// Puts a frame of this name, and finds it and nothing else.
async fn kept(location: &str, id: FrameId) -> Result<(), String> {
    let store = Store::open(location)
        .await
        .map_err(|error| error.to_string())?;
    let failed = |error: shoots_store::Error| format!("{id}: {error}");
    let frame = store.frame(&id);
    let batch = numbers(0..1);
    let mut writer = frame
        .put(batch.schema(), PutOptions::default())
        .await
        .map_err(failed)?;
    writer.write(batch).await.map_err(failed)?;
    writer.commit().await.map_err(failed)?;
    let found = store.frames(id.bucket.as_ref()).await.map_err(failed)?;
    let found: Vec<&FrameId> = found.iter().map(|snapshot| snapshot.frame()).collect();
    if found != [&id] {
        return Err(format!("{id:?} is listed as {found:?}"));
    }
    let buckets = store.buckets().await.map_err(failed)?;
    if buckets != Vec::from_iter(id.bucket.clone()) {
        return Err(format!("the bucket of {id:?} is listed as {buckets:?}"));
    }
    Ok(())
}
