//! Writing what a get delivers to a file on this side of the wire: Parquet, CSV, JSON or Arrow.
//!
//! Rows are written as they come, so memory follows batches. The [file](FileWriter) appears whole or not at all;
//! a [`RowWriter`] writes the same bytes to anything else, such as standard output.

mod file;
mod format;
mod packing;
mod rows;

use std::path::Path;

use futures::TryStreamExt;
use shoots_proto::ErrorKind;
use tokio::sync::mpsc;

pub use file::{Exported, FileWriter};
pub use format::FileFormat;
pub use rows::RowWriter;

use crate::{Batches, Error, GetRequest};

/// Batches on their way from the server to the disk.
const BATCHES_AHEAD: usize = 2;

impl GetRequest {
    /// Writes the rows to a file, whose name says how: `.parquet`, `.csv`, `.json`, `.arrow`, `.csv.gz` (see [`FileFormat::of`]).
    /// A file of that name is replaced.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use shoots_client::arrow_array::{ArrayRef, Int64Array, RecordBatch};
    /// use shoots_client::{AsOf, ShootsClient};
    ///
    /// # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let server = shoots_server::Server::start(shoots_server::Config { bucket_dir: "memory://".into(), port: 0, ..Default::default() }).await?;
    /// # let url = server.url();
    /// # let client = ShootsClient::connect(url).await?;
    /// # let n: ArrayRef = Arc::new(Int64Array::from(vec![1, 2]));
    /// # client.put("numbers").send_batch(RecordBatch::try_from_iter([("n", n)])?).await?;
    /// # let path = std::env::temp_dir().join(format!("numbers-{}.csv", std::process::id()));
    /// let exported = client.get("numbers").as_of(AsOf::Version(1)).export(&path).await?;
    /// assert_eq!(exported.rows, 2);
    /// assert_eq!(std::fs::read_to_string(&path)?, "n\n1\n2\n");
    /// # std::fs::remove_file(&path)?;
    /// # server.shutdown().await?; Ok(()) }
    /// ```
    pub async fn export(self, path: impl AsRef<Path>) -> Result<Exported, Error> {
        let path = path.as_ref();
        let format = FileFormat::of(path)?;
        self.stream().await?.export(path, format).await
    }
}

impl Batches {
    /// Writes the rows to a file, which is replaced if there is one.
    ///
    /// # Errors
    /// If the format has no form for a column (nothing is written then), a batch does not come, or the file cannot
    /// be written. What was there under the name stays.
    pub async fn export(
        mut self,
        path: impl AsRef<Path>,
        format: FileFormat,
    ) -> Result<Exported, Error> {
        let path = path.as_ref().to_owned();
        let schema = self.schema();
        format.check(&schema)?;
        let (sender, mut taken) = mpsc::channel(BATCHES_AHEAD);
        let writing = tokio::task::spawn_blocking(move || {
            let mut file = FileWriter::create(&path, format, &schema)?;
            while let Some(batch) = taken.blocking_recv() {
                match batch {
                    Some(batch) => file.write(&batch)?,
                    None => return file.finish(),
                }
            }
            Err(Error::new(
                ErrorKind::CancelledError,
                format!("the export to {} was given up", path.display()),
            ))
        });
        loop {
            // An error drops the sender without a word, which gives the file up.
            let batch = self.try_next().await?;
            let last = batch.is_none();
            if sender.send(batch).await.is_err() || last {
                break;
            }
        }
        match writing.await {
            Ok(written) => written,
            Err(error) => Err(Error::new(ErrorKind::InternalError, error.to_string())),
        }
    }
}
