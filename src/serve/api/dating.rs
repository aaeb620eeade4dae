//! Up to which revision the civil times that were told are not those of now.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::segment::Dates;
use crate::timeline::Revision;

/// By which dates a stream was told last.
#[derive(Debug, Default)]
pub(in crate::serve) struct Dating(Mutex<Last>);

#[derive(Debug, Default)]
struct Last {
    dates: Option<Dates>,
    /// What was told up to there may have been told by others.
    corrected: Option<Revision>,
}

impl Dating {
    /// At this revision these dates are told.
    pub(super) fn tell(&self, dates: Dates, now: Revision) {
        let mut last = self.last();
        let before = last.dates.replace(dates);
        if before.is_some_and(|before| before != dates) {
            last.corrected = Some(now);
        }
    }

    /// Whether who knows all up to `revision` may have been told other dates.
    pub(super) fn is_corrected_since(&self, revision: Revision) -> bool {
        self.last().corrected.is_some_and(|corrected| revision <= corrected)
    }

    fn last(&self) -> MutexGuard<'_, Last> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
