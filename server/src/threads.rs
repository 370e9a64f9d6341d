//! The threads that a server runs on.
//!
//! Calls are answered by one thread for each core, and queries are planned and run by others ([`crate::query`]). Work that waits for the
//! disk, or that computes for long in one piece, such as encoding, is given to further threads, which start when they are
//! needed. There they are bounded. Each keeps memory for later that others have freed, one or two MiB of it: with hundreds
//! of threads the memory of a busy server grows for minutes. And they do not make it faster: where an fsync takes 8 ms,
//! 64 clients get as much done with 16 threads as with 512.
//!
//! Nothing that runs on these threads may wait for others of them, unless it is known to be fewer: what is shared with
//! clients in files is written by two ([`crate::shm`]).

use std::io;

use tokio::runtime::{Builder, Runtime};

/// Stack of a thread. Only what is used takes memory. Calls are futures within futures, which builds that are not
/// optimized put on it, and a stack that is exhausted ends the process.
const STACK_BYTES: usize = 16 << 20;

/// How many threads may wait for the disk for calls.
const WAITING: usize = 32;

/// How many threads may wait for the disk for queries.
pub(crate) const WAITING_FOR_QUERIES: usize = 16;

/// How many threads may wait for the disk for queries that are planned, which read little.
pub(crate) const WAITING_FOR_PLANNING: usize = 4;

/// A runtime that suits a server: with stacks that are deep enough, and no more threads than help.
///
/// # Errors
///
/// The system gives no thread or no socket to wait for others with.
///
/// # Examples
///
/// ```
/// # use shoots_server::{Config, Server};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let config = Config {
///     port: 0,
///     bucket_dir: "memory://".into(),
///     ..Config::default()
/// };
/// shoots_server::runtime()?.block_on(async {
///     let server = Server::start(config).await?;
///     println!("listening on {}", server.url());
///     server.shutdown().await?;
///     Ok(())
/// })
/// # }
/// ```
pub fn runtime() -> io::Result<Runtime> {
    Builder::new_multi_thread()
        .thread_stack_size(STACK_BYTES)
        .max_blocking_threads(WAITING)
        .enable_all()
        .build()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use tokio::sync::{Semaphore, mpsc};
    use tokio::task::{JoinSet, spawn_blocking};

    use super::*;

    #[test]
    fn threads_that_wait_are_bounded_and_all_work_is_done() {
        let more = WAITING + 20;
        runtime().unwrap().block_on(async {
            let waiting = Arc::new(AtomicUsize::new(0));
            let disk = Arc::new(Semaphore::new(0));
            let (begun, mut begins) = mpsc::channel(more);
            let mut work = JoinSet::new();
            for _ in 0..more {
                let (waiting, disk, begun) = (waiting.clone(), disk.clone(), begun.clone());
                work.spawn(async move {
                    spawn_blocking(move || {
                        waiting.fetch_add(1, Ordering::SeqCst);
                        begun.blocking_send(()).unwrap();
                        while disk.try_acquire().is_err() {
                            std::thread::sleep(Duration::from_millis(1));
                        }
                    })
                    .await
                    .unwrap();
                });
            }
            for _ in 0..WAITING {
                begins.recv().await.unwrap();
            }
            // Time in which others would begin if they could.
            tokio::time::sleep(Duration::from_millis(100)).await;
            assert_eq!(waiting.load(Ordering::SeqCst), WAITING);
            disk.add_permits(more);
            work.join_all().await;
            assert_eq!(waiting.load(Ordering::SeqCst), more);
        });
    }
}
