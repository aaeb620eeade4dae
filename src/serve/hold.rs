//! Requests that are held until there is what they ask for.
//!
//! Nearly everything that is waited for comes with a change of a rendition: all who wait are woken at once, look, and
//! are answered from the same bytes. No wait is without an end.

use std::sync::Arc;
use std::time::Duration;

use super::api::Listing;
use super::clip::Order;
use super::playlists::UNWRITTEN;
use super::rendition::Rendition;
use super::reply::{self, Lasting, Reply};
use super::shown::PartOf;
use super::station::{Lineup, Station};
use super::stats::ServeStats;
use super::texts::Draft;
use crate::base::Pts;
use crate::playlist::{self, Directives, Verdict};

/// What a request waits for.
pub(super) enum Wait {
    /// Something that comes with a change: then it is asked again.
    Change(Change),
    /// A photo that is being made.
    Picture(Arc<Station>),
    /// A long playlist that is being written.
    Writing(Arc<Draft>, Lasting),
    /// A long list of markers that is being written.
    Listing(Arc<Listing>),
    /// A clip that is being cut.
    Clip(Box<Order>),
}

/// What comes with a change.
pub(super) enum Change {
    /// Enough of a rendition for a player to begin with.
    Beginning(Arc<Rendition>),
    /// All renditions of a lineup, so that its multivariant playlist is whole.
    Lineup(Arc<Lineup>),
    /// A playlist that has come so far (rfc8216bis, 6.2.5.2).
    Reload(Arc<Rendition>, Directives),
    /// The part that was hinted at (rfc8216bis, 6.2.6).
    Part(Arc<Rendition>, u64, u64),
    /// Segments up to this instant, which is past.
    End(Arc<Rendition>, Pts),
}

/// It did not come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct InVain;

impl Change {
    /// Until it is worth asking again.
    pub(super) async fn over(&self) -> Result<(), InVain> {
        match self {
            Self::Beginning(rendition) => {
                rendition.until(rendition.first_patience(), |it| it.playlists().is_some()).await
            }
            Self::Lineup(lineup) => lineup.beginning().await,
            Self::Reload(rendition, directives) => {
                let has_it = |it: &Rendition| {
                    let judged = it.shown().map(|shown| playlist::judge(&shown.snapshot, directives));
                    judged.is_some_and(|verdict| verdict != Verdict::Wait)
                };
                rendition.until(rendition.patience(), has_it).await
            }
            Self::Part(rendition, sequence, part) => {
                // What was hinted at and never came will not come any more.
                let is_decided = |it: &Rendition| {
                    it.shown().is_some_and(|shown| !matches!(shown.part(*sequence, *part), PartOf::Next))
                };
                rendition.until(rendition.patience(), is_decided).await
            }
            Self::End(rendition, end) => {
                let reaches = |it: &Rendition| {
                    let last = it.shown().and_then(|shown| shown.snapshot.listed.last().cloned());
                    last.is_some_and(|last| last.start + last.duration >= *end)
                };
                rendition.until(rendition.patience(), reaches).await
            }
        }
    }

    fn in_vain(&self) -> Reply {
        match self {
            Self::Beginning(rendition) => {
                reply::not_yet("the stream has not begun yet", rendition.retry_after())
            }
            Self::Lineup(lineup) => {
                let seconds = lineup.renditions().first().map_or(1, |first| first.retry_after());
                reply::not_yet("the stream has not begun yet", seconds)
            }
            Self::Reload(rendition, _) => reply::not_yet(
                "the playlist has not come so far in three target durations",
                rendition.retry_after(),
            ),
            Self::Part(rendition, ..) => {
                reply::not_yet("the part has not come in three target durations", rendition.retry_after())
            }
            Self::End(rendition, _) => {
                reply::not_yet("its end has not come in three target durations", rendition.retry_after())
            }
        }
    }
}

impl Wait {
    /// What is said when it does not come.
    pub(super) fn in_vain(&self) -> Reply {
        match self {
            Self::Change(change) => change.in_vain(),
            Self::Picture(_) => reply::not_yet("no picture came", 1),
            Self::Clip(order) => reply::not_yet("the clip was not cut", order.rendition.retry_after()),
            Self::Listing(_) => Listing::in_vain(),
            Self::Writing(draft, _) => reply::not_yet(UNWRITTEN, draft.rendition.retry_after()),
        }
    }
}

/// A request is held until this is dropped.
pub(super) struct Held<'a>(&'a ServeStats);

impl<'a> Held<'a> {
    pub(super) fn new(stats: &'a ServeStats) -> Self {
        stats.held.increment();
        Self(stats)
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.released.increment();
    }
}

/// So many target durations.
pub(super) fn targets(target: crate::segment::TargetDuration, count: u32) -> Duration {
    Duration::from_secs(u64::from(target.0.max(1)) * u64::from(count))
}
