//! Whether the directory of the frames can be used at the moment.
//!
//! It is looked at again and again, so that whoever asks whether the server is ready gets an answer at once, however long
//! the disk takes. A look that takes too long says that the disk does not answer, and is waited for all the same: there
//! is never more than one.

use std::fmt::Display;
use std::pin::pin;
use std::time::Duration;

use shoots_store::Store;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tracing::{info, warn};

use crate::stop::Stop;

/// When to look at the directory.
#[derive(Debug, Clone, Copy)]
struct Pace {
    /// How often.
    every: Duration,
    /// How long a look may take.
    patience: Duration,
}

const PACE: Pace = Pace {
    every: Duration::from_secs(1),
    patience: Duration::from_secs(5),
};

/// What is known to be in the way of the frames: nothing, as a rule.
pub(crate) type Obstacle = watch::Receiver<Option<String>>;

/// Looks at the directory of the store until the server drains.
pub(crate) fn observe(store: Store, stop: Stop) -> Obstacle {
    let (told, obstacle) = watch::channel(None);
    let looking = async move {
        keep_looking(PACE, || store.check_place(), &told).await;
    };
    tokio::spawn(async move { stop.until_draining(looking).await });
    obstacle
}

async fn keep_looking<F, E>(pace: Pace, look: impl Fn() -> F, told: &watch::Sender<Option<String>>)
where
    F: Future<Output = Result<(), E>>,
    E: Display,
{
    let mut looks = interval(pace.every);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        let mut looked = pin!(look());
        let found = match timeout(pace.patience, &mut looked).await {
            Ok(found) => found,
            Err(_) => {
                let silent = format!(
                    "the disk has not answered for {} s",
                    pace.patience.as_secs()
                );
                tell(told, Some(silent));
                looked.await
            }
        };
        tell(told, found.err().map(|error| error.to_string()));
    }
}

/// Passes on what has changed, and logs it.
fn tell(told: &watch::Sender<Option<String>>, found: Option<String>) {
    told.send_if_modified(|known| {
        let changed = *known != found;
        match &found {
            Some(problem) if changed => {
                warn!(
                    problem,
                    "not ready: the directory of the frames cannot be used"
                );
            }
            None if changed => info!("ready: the directory of the frames can be used again"),
            _ => {}
        }
        *known = found;
        changed
    });
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tokio::sync::Notify;

    use super::*;

    const QUICK: Pace = Pace {
        every: Duration::from_millis(1),
        patience: Duration::from_millis(20),
    };

    #[tokio::test]
    async fn what_is_in_the_way_is_told_and_so_is_that_it_is_gone() {
        let (told, mut obstacle) = watch::channel(None);
        let found = Arc::new(Mutex::new(Err("gone")));
        let answer = Arc::clone(&found);
        let look = move || std::future::ready(*answer.lock().unwrap());
        let looking = tokio::spawn(async move { keep_looking(QUICK, look, &told).await });
        let problem = obstacle.wait_for(Option::is_some).await.unwrap().clone();
        assert_eq!(problem.as_deref(), Some("gone"));
        *found.lock().unwrap() = Ok(());
        obstacle.wait_for(Option::is_none).await.unwrap();
        looking.abort();
    }

    #[tokio::test]
    async fn a_disk_that_does_not_answer_is_told_and_asked_once() {
        let (told, mut obstacle) = watch::channel(None);
        let (answer, asked) = (Arc::new(Notify::new()), Arc::new(Mutex::new(0)));
        let (waiting, counted) = (Arc::clone(&answer), Arc::clone(&asked));
        let look = move || {
            *counted.lock().unwrap() += 1;
            let waiting = Arc::clone(&waiting);
            async move {
                waiting.notified().await;
                Ok::<(), String>(())
            }
        };
        let looking = tokio::spawn(async move { keep_looking(QUICK, look, &told).await });
        let problem = obstacle.wait_for(Option::is_some).await.unwrap().clone();
        assert!(problem.unwrap().contains("has not answered"));
        tokio::time::sleep(10 * QUICK.patience).await;
        assert_eq!(*asked.lock().unwrap(), 1);
        answer.notify_one();
        obstacle.wait_for(Option::is_none).await.unwrap();
        looking.abort();
    }
}
