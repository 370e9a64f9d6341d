//! Files that are looked at again and again while the server runs.

use std::fmt::Display;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use tracing::{info, warn};

/// How often they are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// Looks for as long as it is polled, and logs what comes of it: that something has changed, or once that it cannot be
/// used, in which case whoever looks goes on with what was there.
pub(crate) async fn keep_looking<F, E>(what: &'static str, mut look: impl FnMut() -> F)
where
    F: Future<Output = Result<bool, E>>,
    E: Display,
{
    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut told = None;
    loop {
        looks.tick().await;
        match look().await {
            Ok(changed) => {
                if changed || told.is_some() {
                    info!(files = what, "in use as they are now");
                }
                told = None;
            }
            Err(error) => {
                let problem = error.to_string();
                if told.as_ref() != Some(&problem) {
                    warn!(
                        files = what,
                        problem, "cannot be used: the server goes on with what they were"
                    );
                }
                told = Some(problem);
            }
        }
    }
}
