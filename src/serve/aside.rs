//! What would hold up all other requests, done beside them.

use std::sync::Arc;

use tokio::sync::Semaphore;

/// A desk on another thread, for what would hold up all other requests: one piece of work at a time.
pub(super) struct Aside(Arc<Semaphore>);

impl Default for Aside {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(1)))
    }
}

impl Aside {
    /// What comes of the work when it has had its turn; `None` if it fell down.
    pub(super) async fn done<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let turn = self.0.clone().acquire_owned().await.ok()?;
        let work = move || {
            let done = work();
            // Whoever asked may be gone by now: the turn is over with the work, not before.
            drop(turn);
            done
        };
        tokio::task::spawn_blocking(work).await.ok()
    }
}
