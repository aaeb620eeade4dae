//! What keeps files from being written: told once when it begins and once when it is over, and tried again.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use tracing::{info, warn};

use super::KeepStats;
use crate::base::{Backoff, Monotonic};

/// How soon and how seldom it is tried again.
const FIRST: Duration = Duration::from_secs(1);
const SELDOM: Duration = Duration::from_secs(60);

/// What keeps a stream from being kept, in words; nothing if nothing does.
#[derive(Debug, Default)]
pub struct Cause(ArcSwapOption<String>);

impl Cause {
    /// As it is now.
    pub fn get(&self) -> Option<String> {
        self.0.load().as_deref().cloned()
    }

    pub(super) fn clear(&self) {
        self.0.store(None);
    }
}

/// How writing goes.
pub(super) struct Trouble {
    stream: String,
    folder: PathBuf,
    stats: Arc<KeepStats>,
    backoff: Backoff,
    /// When it is tried again, while there is trouble; and what had been lost when it began.
    lasting: Option<(Monotonic, u64)>,
}

impl Trouble {
    pub(super) fn new(stream: &str, folder: &Path, stats: &Arc<KeepStats>) -> Self {
        Self {
            stream: stream.to_owned(),
            folder: folder.to_owned(),
            stats: Arc::clone(stats),
            backoff: Backoff::new(FIRST, SELDOM),
            lasting: None,
        }
    }

    /// Whether there is some.
    pub(super) fn lasts(&self) -> bool {
        self.lasting.is_some()
    }

    /// Whether it is time to write.
    pub(super) fn is_over_or_due(&self, now: Monotonic) -> bool {
        self.lasting.is_none_or(|(again, _)| now >= again)
    }

    /// Takes what came of it.
    pub(super) fn tell(&mut self, done: io::Result<()>, now: Monotonic) {
        let (stream, folder) = (&self.stream, self.folder.display());
        match (done, self.lasting) {
            (Ok(()), None) => {}
            (Ok(()), Some((_, lost))) => {
                let lost = (self.stats.lost.get() - lost) as f64 / 1e3;
                info!(stream, "keeping again in {folder}; {lost:.1} s were lost meanwhile");
                self.stats.cause.clear();
                self.backoff.reset();
                self.lasting = None;
            }
            (Err(error), before) => {
                let cause = format!("cannot keep in {folder}: {error}{}", remedy(&error));
                let same = self.stats.cause.0.load().as_ref().is_some_and(|told| **told == cause);
                if !same {
                    warn!(stream, "{cause}");
                    self.stats.cause.0.store(Some(Arc::new(cause)));
                }
                let lost = before.map_or(self.stats.lost.get(), |(_, lost)| lost);
                self.lasting = Some((now + self.backoff.wait(), lost));
            }
        }
    }
}

/// What the person can do.
fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::NotFound => "; make the folder, or plug in the disk it lies on",
        ErrorKind::NotADirectory => "; name a folder",
        ErrorKind::PermissionDenied => "; let this user write there",
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "; make room, or lower `bytes` in [stream.keep]",
        ErrorKind::ReadOnlyFilesystem => {
            "; mount it writable, and look at the disk: one that fails becomes so"
        }
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_tried_again_ever_more_seldom_and_told_until_it_is_over() {
        let stats = Arc::<KeepStats>::default();
        let mut trouble = Trouble::new("radio", Path::new("/stick/radio"), &stats);
        let at = |seconds: i64| Monotonic::from_nanos(seconds * 1_000_000_000);
        let full = || Err(io::Error::from(ErrorKind::StorageFull));
        trouble.tell(Ok(()), at(0));
        assert!(trouble.is_over_or_due(at(0)) && !trouble.lasts() && stats.cause.get().is_none());
        trouble.tell(full(), at(0));
        assert!(trouble.lasts() && !trouble.is_over_or_due(at(0)) && trouble.is_over_or_due(at(1)));
        trouble.tell(full(), at(1));
        assert!(!trouble.is_over_or_due(at(2)) && trouble.is_over_or_due(at(3)));
        let told = stats.cause.get().expect("a cause");
        assert!(told.contains("/stick/radio") && told.contains("bytes"), "{told}");
        trouble.tell(Err(io::Error::from(ErrorKind::NotFound)), at(3));
        assert!(stats.cause.get().expect("another").contains("plug in"));
        trouble.tell(Ok(()), at(9));
        assert!(!trouble.lasts() && stats.cause.get().is_none());
        trouble.tell(full(), at(10));
        assert!(trouble.is_over_or_due(at(11)), "from the start after success");
    }
}
