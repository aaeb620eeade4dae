//! What may be said of which time, and why something else is not.

use crate::base::{Pts, Span};
use crate::media::marker::{Label, MarkerKind};

/// How many markers there are at most, ours among them.
pub(super) const MOST: usize = 10_000;

/// Clocks of other machines may be so far ahead of ours, and what they tell of is taken for now.
const AHEAD: Span = Span::from_millis(2_000);

/// What the media can be found of: nothing is said of any other time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Where the window begins.
    pub oldest: Pts,
    /// What is captured now.
    pub now: Pts,
}

/// A marker as it is asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    /// What it tells of.
    pub kind: MarkerKind,
    /// Where it begins.
    pub from: Pts,
    /// Where it ends; `None` if it goes on.
    pub to: Option<Pts>,
    /// How loud it was, in dBFS.
    pub level: Option<f32>,
    /// What people read.
    pub label: Option<Label>,
}

/// Why nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It has not happened yet.
    #[error("it lies {} s in the future; check the clock of whoever says so", .0.as_secs_f64())]
    Future(Span),
    /// The media are gone.
    #[error("it ended {} s before the window begins; nothing can be heard or seen of it any more", .0.as_secs_f64())]
    Gone(Span),
    /// Its end lies before its beginning.
    #[error("it ends {} s before it begins", .0.as_secs_f64())]
    Backwards(Span),
    /// There are as many as there may be.
    #[error("there are {MOST} markers in the window already; remove some, or set fewer")]
    Full,
    /// Nothing has that name.
    #[error("no marker is called {0:?}; it may have left the window")]
    Unknown(String),
    /// It is one of ours.
    #[error("{0:?} is a kind that Outpost alone sets and changes; choose another word for yours")]
    Ours(String),
    /// It has ended already, and ends do not move back.
    #[error("it has ended already, {} s later than that", .0.as_secs_f64())]
    Ended(Span),
}

/// An instant that has come, or as good as.
pub(super) fn past(at: Pts, extent: Extent) -> Result<Pts, Refusal> {
    match at - extent.now {
        ahead if ahead > AHEAD => Err(Refusal::Future(ahead)),
        _ => Ok(at.min(extent.now)),
    }
}

/// A draft of a time of which something can be said.
pub(super) fn within(draft: Draft, extent: Extent) -> Result<Draft, Refusal> {
    if let Some(to) = draft.to.filter(|to| *to < draft.from) {
        return Err(Refusal::Backwards(draft.from - to));
    }
    let from = past(draft.from, extent)?;
    let to = draft.to.map(|to| past(to, extent)).transpose()?;
    let last = to.unwrap_or(extent.now);
    if last < extent.oldest {
        return Err(Refusal::Gone(extent.oldest - last));
    }
    Ok(Draft { from, to, ..draft })
}
