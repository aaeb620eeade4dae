//! Who wants to hear the bell at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// How many on the reading side want every item as soon as it is published. While there is nobody, whoever
/// publishes may let the reader sleep until much has come together.
#[derive(Clone, Debug, Default)]
pub struct Audience(Arc<AtomicUsize>);

impl Audience {
    /// One more.
    pub fn join(&self) {
        self.0.fetch_add(1, Relaxed);
    }

    /// One that joined is gone.
    pub fn leave(&self) {
        self.0.fetch_sub(1, Relaxed);
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.load(Relaxed)
    }
}
