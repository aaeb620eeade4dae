//! The playlists written of one moment: each when the first asks, and the same for all who want the same.
//!
//! Those that most want are kept as long as the moment is shown. Recordings, and what hands on somebody's pass, are
//! wanted by few: the last of them are kept, within bounds.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tokio::sync::OnceCell;

use super::access::{self, Pass};
use super::aside::Aside;
use super::negotiate::Coding;
use super::rendition::Rendition;
use super::shown::Shown;
use super::text::Text;
use crate::playlist::{self, Extent, Report, Skip};

/// How many of those that few want are kept, and bytes of all of them; the newest is kept however long it is.
const KEPT: usize = 16;
const KEPT_BYTES: usize = 4 << 20;
/// Segments and markers of a playlist that is written, and compressed, at once. That takes well under a millisecond (PC); for
/// longer ones all other requests would have to wait, so they are written on another thread.
pub(super) const SHORT: usize = 500;

/// Which playlist is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) scope: Scope,
    /// What its keys are asked for with.
    pub(super) pass: Option<Pass>,
}

/// What it tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// The present.
    Live(Extent),
    /// These of the segments kept.
    Recording(Range<usize>),
}

impl Wanted {
    fn is_common(&self) -> bool {
        matches!(self, Self { scope: Scope::Live(_), pass: None })
    }
}

/// Where a text is once it is written.
pub(super) type Slot = Arc<OnceCell<Arc<Text>>>;

/// The texts of one moment.
#[derive(Default)]
pub(super) struct Texts {
    whole: Slot,
    delta: Slot,
    /// Without the date ranges, too.
    shortest: Slot,
    few: Kept<Wanted>,
}

/// The last texts that few want, within bounds; the last one asked for last.
pub(super) struct Kept<W>(Mutex<VecDeque<(W, Slot)>>);

impl<W> Default for Kept<W> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl Texts {
    fn slot(&self, wanted: &Wanted) -> Slot {
        match wanted {
            Wanted { scope: Scope::Live(Extent::Whole), pass: None } => self.whole.clone(),
            Wanted { scope: Scope::Live(Extent::Delta(Skip::Segments)), pass: None } => self.delta.clone(),
            Wanted { scope: Scope::Live(Extent::Delta(Skip::DateRanges)), pass: None } => {
                self.shortest.clone()
            }
            _ => self.few.slot(wanted),
        }
    }
}

impl<W: Clone + PartialEq> Kept<W> {
    /// Where this one is, or is to be.
    pub(super) fn slot(&self, wanted: &W) -> Slot {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = kept.iter().position(|(it, _)| it == wanted).and_then(|place| kept.remove(place));
        let (wanted, slot) = found.unwrap_or_else(|| (wanted.clone(), Slot::default()));
        kept.push_back((wanted, slot.clone()));
        let mut bytes: usize = kept.iter().map(|(_, slot)| len(slot)).sum();
        while kept.len() > 1 && (kept.len() > KEPT || bytes > KEPT_BYTES) {
            bytes -= kept.pop_front().map_or(0, |(_, slot)| len(&slot));
        }
        slot
    }
}

fn len(slot: &Slot) -> usize {
    slot.get().map_or(0, |text| text.len())
}

/// Who writes the long ones: one at a time of what all want, and one of what few want, which all others need not
/// wait for.
#[derive(Default)]
pub(super) struct Desk {
    common: Aside,
    few: Aside,
}

/// A long playlist, which is still to be written.
pub(super) struct Draft {
    pub(super) rendition: Arc<Rendition>,
    pub(super) shown: Arc<Shown>,
    wanted: Wanted,
    reports: Vec<Report>,
    slot: Slot,
}

/// The playlist that is wanted of what is shown, if it is short or has been brought into that `coding`; `reports` tells of
/// the other renditions.
pub(super) fn playlist(
    rendition: &Arc<Rendition>,
    shown: &Arc<Shown>,
    wanted: Wanted,
    coding: Coding,
    reports: impl FnOnce() -> Vec<Report>,
) -> Result<Arc<Text>, Draft> {
    let segments = match &wanted.scope {
        Scope::Live(Extent::Whole) => shown.snapshot.listed.len(),
        // Never more than the last few.
        Scope::Live(Extent::Delta(_)) => 0,
        Scope::Recording(listed) => listed.len(),
    };
    let short = segments + shown.snapshot.markers.all.len() <= SHORT;
    let slot = shown.texts.slot(&wanted);
    if let Some(text) = slot.get().filter(|text| short || text.has(coding)) {
        return Ok(text.clone());
    }
    let (rendition, shown, reports) = (rendition.clone(), shown.clone(), reports());
    let draft = Draft { rendition, shown, wanted, reports, slot };
    if !short {
        return Err(draft);
    }
    let text = Arc::new(draft.write());
    // Should somebody have been quicker, it is the same.
    let _ = draft.slot.set(text.clone());
    Ok(text)
}

impl Draft {
    fn write(&self) -> Text {
        let Self { rendition, shown, wanted, reports, .. } = self;
        rendition.renders.increment();
        let text = match &wanted.scope {
            Scope::Live(extent) => playlist::media(&shown.snapshot, rendition.style(), *extent, reports),
            Scope::Recording(listed) => {
                playlist::recording(&shown.snapshot, rendition.style(), listed.clone())
            }
        };
        let text = match &wanted.pass {
            Some(pass) => access::with_pass(&text, pass),
            None => text,
        };
        Text::new(Bytes::from(text))
    }

    /// The text in this coding; `None` if that takes too long.
    pub(super) async fn written(self: &Arc<Self>, desk: &Desk, coding: Coding) -> Option<Arc<Text>> {
        let desk = if self.wanted.is_common() { &desk.common } else { &desk.few };
        let draft = self.clone();
        let made = made(&self.slot, desk, coding, move || draft.write());
        tokio::time::timeout(self.rendition.patience(), made).await.ok()?
    }
}

/// The text of a slot in this coding, on another thread when it is its turn, or by then by somebody else's. Packing takes
/// far longer than writing: only who wants it so waits for it.
pub(super) async fn made(
    slot: &Slot,
    desk: &Aside,
    coding: Coding,
    write: impl FnOnce() -> Text + Send + 'static,
) -> Option<Arc<Text>> {
    let written = async || desk.done(|| Arc::new(write())).await.ok_or(());
    let text = slot.get_or_try_init(written).await.ok()?.clone();
    if !text.has(coding) {
        let text = text.clone();
        desk.done(move || _ = text.bytes(coding)).await?;
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::super::live::tests::{rendition, segment, snapshot};
    use super::*;
    use crate::playlist::Piece;
    use crate::segment::{Shelf, Snapshot};

    fn recording(first: usize, end: usize) -> Wanted {
        Wanted { scope: Scope::Recording(first..end), pass: None }
    }

    fn live(extent: Extent) -> Wanted {
        Wanted { scope: Scope::Live(extent), pass: None }
    }

    /// A rendition that lists so many segments.
    fn listing(count: u64) -> (Arc<Rendition>, Arc<Shown>) {
        let rendition = Arc::new(rendition());
        rendition.list(Arc::new(snapshot((7..7 + count).map(segment).collect())));
        let shown = rendition.shown().expect("listed");
        (rendition, shown)
    }

    fn written(rendition: &Arc<Rendition>, shown: &Arc<Shown>, wanted: Wanted) -> Arc<Text> {
        playlist(rendition, shown, wanted, Coding::Identity, Vec::new)
            .unwrap_or_else(|_| panic!("it is short"))
    }

    fn names(text: &Text) -> Vec<String> {
        let text = String::from_utf8(text.bytes(Coding::Identity).to_vec()).expect("text");
        text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
    }

    #[test]
    fn playlists_are_written_once_per_change_when_somebody_asks() {
        let (rendition, first) = listing(1);
        rendition.list(Arc::new(snapshot(vec![segment(7), segment(8)])));
        let second = rendition.shown().expect("listed");
        assert_eq!(rendition.renders.get(), 0, "nobody asked");
        let [one, two] = [&first, &second].map(|shown| written(&rendition, shown, live(Extent::Whole)));
        assert_eq!((names(&one), names(&two)), (vec!["7.ts".to_owned()], vec!["7.ts".into(), "8.ts".into()]));
        assert_ne!(one.tag(Coding::Identity), two.tag(Coding::Identity));
        written(&rendition, &second, live(Extent::Whole));
        assert_eq!(rendition.renders.get(), 2);
        written(&rendition, &second, live(Extent::Delta(Skip::Segments)));
        written(&rendition, &second, live(Extent::Delta(Skip::Segments)));
        assert_eq!(rendition.renders.get(), 3);
    }

    #[test]
    fn those_that_few_want_are_kept_until_others_were_wanted_later() {
        let (rendition, shown) = listing(KEPT as u64 + 3);
        written(&rendition, &shown, live(Extent::Whole));
        for end in 1..=KEPT {
            written(&rendition, &shown, recording(0, end));
        }
        let before = rendition.renders.get();
        let (oldest, next) = (recording(0, 1), recording(0, 2));
        written(&rendition, &shown, oldest.clone());
        assert_eq!(rendition.renders.get(), before, "it is kept");
        written(&rendition, &shown, recording(0, KEPT + 1));
        written(&rendition, &shown, oldest);
        assert_eq!(rendition.renders.get(), before + 1, "it was wanted a moment ago");
        written(&rendition, &shown, next);
        assert_eq!(rendition.renders.get(), before + 2, "it was not");
        written(&rendition, &shown, live(Extent::Whole));
        assert_eq!(rendition.renders.get(), before + 2, "all want it");
    }

    #[test]
    fn those_that_few_want_are_kept_within_a_bound_of_bytes() {
        let texts = Texts::default();
        let text = || Arc::new(Text::new(Bytes::from(vec![b'x'; KEPT_BYTES / 3])));
        for end in 1..=10 {
            let _ = texts.slot(&recording(0, end)).set(text());
        }
        texts.slot(&recording(0, 11));
        let few = texts.few.0.lock().expect("nobody panicked");
        assert_eq!(few.len(), 4, "three, and the one that is not written yet");
    }

    #[test]
    fn milliseconds_that_make_no_difference_are_the_same_recording() {
        let (_, shown) = listing(4);
        let Snapshot { listed, dates, .. } = &*shown.snapshot;
        let from = |millis: i64| {
            let at = dates.at(listed[1].start).as_unix_nanos() + millis * 1_000_000;
            let piece = Piece { from: Some(crate::base::WallTime::from_unix_nanos(at)), to: None };
            playlist::covered(&shown.snapshot, &piece)
        };
        assert_eq!([0, 1, 1999, 2000].map(from), [Some(1..4), Some(1..4), Some(1..4), Some(2..4)]);
    }

    #[tokio::test]
    async fn long_ones_are_written_aside_once_for_all_who_wait() {
        let (rendition, shown) = listing(SHORT as u64 + 1);
        let desk = Desk::default();
        let draft = || match playlist(&rendition, &shown, live(Extent::Whole), Coding::Identity, Vec::new) {
            Err(draft) => Arc::new(draft),
            Ok(_) => panic!("it is long"),
        };
        let (one, two) = (draft(), draft());
        assert_eq!(rendition.renders.get(), 0);
        let (one, two) =
            tokio::join!(one.written(&desk, Coding::Identity), two.written(&desk, Coding::Identity));
        let (one, two) = (one.expect("it is written"), two.expect("it is written"));
        assert!(
            Arc::ptr_eq(&one, &two) && Arc::ptr_eq(&one, &written(&rendition, &shown, live(Extent::Whole)))
        );
        assert_eq!((rendition.renders.get(), names(&one).len()), (1, SHORT + 1));
        // Who wants it packed waits for that; who does not, does not.
        let packed = || playlist(&rendition, &shown, live(Extent::Whole), Coding::Gzip, Vec::new);
        let draft = Arc::new(packed().expect_err("it is not packed yet"));
        draft.written(&desk, Coding::Gzip).await.expect("it is packed");
        assert!(Arc::ptr_eq(&one, &packed().unwrap_or_else(|_| panic!("it is packed"))));
        assert_eq!(rendition.renders.get(), 1);
        // Gone while it is written (or, where the other thread is quick, just after): the next has it, in turn.
        let wanted = || playlist(&rendition, &shown, recording(0, SHORT + 1), Coding::Identity, Vec::new);
        let gone = Arc::new(wanted().expect_err("it is long"));
        tokio::select! { biased; _ = gone.written(&desk, Coding::Identity) => {} () = tokio::task::yield_now() => {} }
        let next = match wanted() {
            Err(draft) => Arc::new(draft).written(&desk, Coding::Identity).await.expect("it is written"),
            Ok(written) => written,
        };
        assert_eq!(names(&next).len(), SHORT + 1);
    }
}
