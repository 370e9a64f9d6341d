//! Parquet files that somebody has put into a bucket: listed, read, and taken over by the first write.

use std::sync::Arc;

use arrow_array::RecordBatch;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use shoots_proto::PutMode;
use shoots_proto::action::VerifyRequest;
use shoots_proto::name::{FrameId, FrameName};
use shoots_store::{PutOptions, ReadOptions, Store};

use super::bytes;
use crate::child::{Target, Verdict};
use crate::input::Input;
use crate::sample;
use crate::wire::{numbers, prices};

pub(super) struct Files;

impl Target for Files {
    const NAME: &'static str = "files";

    async fn begin() -> Self {
        Self
    }

    async fn seeds(&mut self) -> Vec<Input> {
        let mut seeds = Vec::new();
        let plain = || WriterProperties::builder();
        for batch in [prices(0..60), numbers(0..60)] {
            for properties in [
                plain(),
                plain().set_compression(Compression::SNAPPY),
                plain().set_compression(Compression::LZ4_RAW),
                plain().set_compression(Compression::ZSTD(Default::default())),
                plain()
                    .set_dictionary_enabled(false)
                    .set_data_page_row_count_limit(7)
                    .set_write_batch_size(7),
                plain()
                    .set_max_row_group_row_count(Some(20))
                    .set_bloom_filter_enabled(true),
            ] {
                seeds.extend(written(&batch, properties.build()));
            }
        }
        for (name, array) in sample::plain() {
            let mut arrays = vec![array.clone()];
            arrays.extend(sample::nested(&array).into_iter().map(|(_, nested)| nested));
            for array in arrays {
                let batch =
                    RecordBatch::try_from_iter_with_nullable([(name.as_str(), array, true)]);
                seeds.extend(written(&batch.unwrap(), plain().build()));
            }
        }
        assert!(seeds.len() > 40);
        seeds
    }

    async fn run(&mut self, input: &Input) -> Verdict {
        let memory = Arc::new(InMemory::new());
        let path = Path::from("f.parquet");
        memory.put(&path, bytes(input, 0).into()).await.unwrap();
        let beside = Path::from("g.parquet");
        let good = written(&numbers(0..3), WriterProperties::default()).unwrap();
        memory.put(&beside, good[0].clone().into()).await.unwrap();
        let objects = Arc::clone(&memory) as Arc<dyn ObjectStore>;
        let store = Store::builder("memory://")
            .object_store(objects)
            .open()
            .await
            .unwrap();
        match used(&store).await {
            Ok(told) => Verdict::told(told),
            Err(defect) => Verdict::defect(defect),
        }
    }
}

/// A file with these rows, if Parquet can hold them.
fn written(batch: &RecordBatch, properties: WriterProperties) -> Option<Input> {
    let write = || {
        let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).ok()?;
        writer.write(batch).ok()?;
        writer.into_inner().ok()
    };
    // Some types make the writer panic.
    let bytes = std::panic::catch_unwind(std::panic::AssertUnwindSafe(write)).ok()??;
    drop(crate::panics::seen());
    Some(vec![bytes])
}

fn id(name: &str) -> FrameId {
    FrameId::new(None, FrameName::parse(name).unwrap())
}

async fn used(store: &Store) -> Result<String, String> {
    let listed = store
        .frames(None)
        .await
        .map_err(|error| format!("listing fails: {error}"))?;
    if !listed.iter().any(|snapshot| *snapshot.frame() == id("g")) {
        return Err("the other file is not listed".to_owned());
    }
    let mut told = Vec::new();
    let frame = store.frame(&id("f"));
    let read = async {
        let snapshot = frame.snapshot(None).await?;
        let rows = snapshot.read(ReadOptions::default()).await?;
        rows.collect().await
    };
    let batches = match read.await {
        Ok(batches) => batches,
        Err(error) => {
            told.push(format!("read: {error}"));
            Vec::new()
        }
    };
    for column in batches.iter().flat_map(RecordBatch::columns) {
        if let Err(error) = column.to_data().validate_full() {
            return Err(format!("a column that is not valid: {error}"));
        }
    }
    let batch = batches.into_iter().next().unwrap_or_else(|| numbers(0..2));
    let append = async {
        let mut writer = frame
            .put(batch.schema(), PutOptions::mode(PutMode::Append))
            .await?;
        writer.write(batch.clone()).await?;
        writer.commit().await
    };
    if let Err(error) = append.await {
        told.push(format!("append: {error}"));
    }
    if let Err(error) = store.verify(&VerifyRequest::default()).await {
        told.push(format!("verify: {error}"));
    }
    Ok(told.join("; "))
}
