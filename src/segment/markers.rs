//! What a rendition's readers were told of markers.
//!
//! Belongs here: which of them everybody has heard of by now, and which were taken back lately: what deltas leave out and
//! name (rfc8216bis, 6.2.5.1). Does not: how that is written.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crate::base::{Monotonic, Pts};
use crate::media::marker::Marker;

/// What happened when, as a snapshot shows it.
#[derive(Clone, Debug, Default)]
pub struct Markers {
    /// All there are, in order of beginnings; not of the window alone.
    pub all: Arc<[Arc<Marker>]>,
    /// What was told a skip boundary ago and before.
    known: Told,
    /// What was taken back since.
    removed: Arc<[Arc<Marker>]>,
}

/// What was told at some time: of these, those that reach beyond an instant.
#[derive(Clone, Debug, Default)]
struct Told {
    markers: Arc<[Arc<Marker>]>,
    /// Where the playlist began; `None` if nothing was told.
    from: Option<Pts>,
}

impl Told {
    fn tells(&self, marker: &Marker) -> bool {
        self.from.is_some_and(|from| reaches(marker, from))
    }

    /// Those that were told, but not in `later`, under the names they have in playlists.
    fn gone_from<'a>(&'a self, later: &'a Self) -> impl Iterator<Item = &'a Arc<Marker>> {
        let same = |it: &Marker, other: &Marker| it.edition == other.edition && later.tells(other);
        let beside = beside(self.markers.iter(), &later.markers);
        let gone =
            beside.filter(move |(it, other)| self.tells(it) && !other.is_some_and(|other| same(it, other)));
        gone.map(|(it, _)| it)
    }
}

/// Each of `these` with the one that stands at the same place among `others`; both in order of their places.
fn beside<'a>(
    these: impl Iterator<Item = &'a Arc<Marker>>,
    others: &'a [Arc<Marker>],
) -> impl Iterator<Item = (&'a Arc<Marker>, Option<&'a Arc<Marker>>)> {
    let mut others = others.iter().peekable();
    these.map(move |it| {
        // From one moment to the next nearly all are the very same: for that they need not be looked into.
        let same = others.next_if(|other| Arc::ptr_eq(other, it)).or_else(|| {
            while others.next_if(|other| other.place() < it.place()).is_some() {}
            others.next_if(|other| other.place() == it.place())
        });
        (it, same)
    })
}

/// Whether a playlist whose first segment begins at `from` tells of it (rfc8216bis, 6.2.1).
fn reaches(marker: &Marker, from: Pts) -> bool {
    marker.to.is_none_or(|end| end >= from)
}

impl Markers {
    /// These, of which nobody has heard yet.
    pub fn new(all: Arc<[Arc<Marker>]>) -> Self {
        Self { all, ..Self::default() }
    }

    /// Those that a playlist tells of whose first segment begins at `from`; of a finished one, those that begin before
    /// its end.
    pub fn told(&self, from: Pts, to: Option<Pts>) -> impl Iterator<Item = &Arc<Marker>> {
        self.all.iter().filter(move |it| reaches(it, from) && to.is_none_or(|to| it.from < to))
    }

    /// The same without those of which all who may ask for a delta have heard as they are now.
    pub fn news(&self, from: Pts) -> impl Iterator<Item = &Arc<Marker>> {
        let heard = |it: &Arc<Marker>, known: &Arc<Marker>| Arc::ptr_eq(it, known) && self.known.tells(known);
        let beside = beside(self.told(from, None), &self.known.markers);
        beside.filter(move |(it, known)| !known.is_some_and(|known| heard(it, known))).map(|(it, _)| it)
    }

    /// Those that were told and are not any more, of which some who ask for a delta may not have heard.
    pub fn removed(&self) -> &[Arc<Marker>] {
        &self.removed
    }
}

/// What was told, for as long as deltas need it.
#[derive(Debug)]
pub(super) struct Memory {
    /// The skip boundary.
    boundary: Duration,
    /// The oldest is what was told a boundary ago; the newest what is told now.
    told: VecDeque<(Monotonic, Told)>,
    removed: VecDeque<(Monotonic, Arc<Marker>)>,
    /// The same, for snapshots.
    shown: Arc<[Arc<Marker>]>,
}

impl Memory {
    /// Nothing was told.
    pub(super) fn new(boundary: Duration) -> Self {
        Self { boundary, told: VecDeque::new(), removed: VecDeque::new(), shown: Arc::default() }
    }

    /// Now `all` of them are told that reach beyond `from`, where the playlist begins.
    pub(super) fn tell(&mut self, all: Arc<[Arc<Marker>]>, from: Option<Pts>, now: Monotonic) -> Markers {
        let last = self.told.back().map(|(_, told)| told);
        let changed = last.is_none_or(|it| it.from != from || !Arc::ptr_eq(&it.markers, &all));
        let mut gone = Vec::new();
        if changed {
            let told = Told { markers: Arc::clone(&all), from };
            gone.extend(last.iter().flat_map(|last| last.gone_from(&told)).map(|it| (now, Arc::clone(it))));
            self.told.push_back((now, told));
        }
        self.remove(gone, now);
        // The oldest of them held until the second came.
        while self.told.get(1).is_some_and(|(since, _)| now.since(*since) >= self.boundary) {
            self.told.pop_front();
        }
        let known = self.told.front().filter(|(since, _)| now.since(*since) >= self.boundary);
        let known = known.map(|(_, told)| told.clone()).unwrap_or_default();
        Markers { all, known, removed: Arc::clone(&self.shown) }
    }

    fn remove(&mut self, gone: Vec<(Monotonic, Arc<Marker>)>, now: Monotonic) {
        let before = self.removed.len();
        self.removed.extend(gone);
        let added = self.removed.len() - before;
        while self.removed.front().is_some_and(|(at, _)| now.since(*at) > self.boundary) {
            self.removed.pop_front();
        }
        if added > 0 || self.removed.len() != before {
            self.shown = self.removed.iter().map(|(_, marker)| Arc::clone(marker)).collect();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Span;
    use crate::media::marker::{MarkerId, MarkerKind};
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn at(seconds: i64) -> Pts {
        Pts::default() + Span::from_millis(1000 * seconds)
    }

    fn marker(count: u64, from: i64, to: Option<i64>) -> Arc<Marker> {
        let (id, kind) = (MarkerId::new(1, count), MarkerKind::TRANSMISSION);
        Arc::new(Marker { id, kind, from: at(from), to: to.map(at), level: None, label: None, edition: 0 })
    }

    fn names(markers: &[Arc<Marker>]) -> Vec<String> {
        markers.iter().map(|it| it.range().to_string()).collect()
    }

    /// Those a delta tells of that begins at so many seconds.
    fn news(markers: &Markers, from: i64) -> Vec<String> {
        markers.news(at(from)).map(|it| it.range().to_string()).collect()
    }

    #[test]
    fn what_everybody_has_heard_of_is_known_and_what_is_gone_is_named_for_a_while() {
        let mut memory = Memory::new(Duration::from_secs(12));
        let now = |seconds: i64| Monotonic::from_nanos(seconds * 1_000_000_000);
        let (first, second) = (marker(1, 2, Some(4)), marker(2, 10, None));
        let all: Arc<[_]> = Arc::new([Arc::clone(&first), second]);
        let told = memory.tell(Arc::clone(&all), Some(at(0)), now(10));
        assert_eq!(news(&told, 0), ["1-1", "1-2"]);
        // It ends, and the other leaves the window.
        let ended = marker(2, 10, Some(14));
        let all: Arc<[_]> = Arc::new([first, ended]);
        let told = memory.tell(Arc::clone(&all), Some(at(5)), now(15));
        assert_eq!((news(&told, 5), names(told.removed())), (vec!["1-2".to_owned()], vec!["1-1".to_owned()]));
        let told = memory.tell(Arc::clone(&all), Some(at(5)), now(26));
        assert_eq!((news(&told, 5).len(), told.removed().len()), (1, 1));
        let told = memory.tell(Arc::clone(&all), Some(at(5)), now(28));
        assert_eq!((news(&told, 5).len(), told.removed().len()), (0, 0));
        let told = memory.tell(Arc::default(), Some(at(5)), now(29));
        assert_eq!(names(told.removed()), ["1-2"]);
    }

    proptest! {
        /// Readers who merge deltas, each as seldom as he may, know what one knows who reads all.
        #[test]
        fn whoever_merges_deltas_knows_it_all(
            steps in proptest::collection::vec((0i64..5, 0u8..6, 0i64..30), 1..120),
            pauses in proptest::collection::vec(1usize..6, 1..40),
        ) {
            const BOUNDARY: i64 = 12;
            let mut memory = Memory::new(Duration::from_secs(BOUNDARY as u64));
            let (mut now, mut count, mut front) = (100, 0, 0);
            let mut all: Vec<Arc<Marker>> = Vec::new();
            let mut reader: BTreeMap<String, Option<Pts>> = BTreeMap::new();
            let (mut read, mut pause) = (None, pauses.iter().cycle());
            let mut due = 0;
            for (step, (time, what, place)) in steps.into_iter().enumerate() {
                now += time;
                match what {
                    0 => front += place / 3,
                    1 if !all.is_empty() => drop(all.remove(place as usize % all.len())),
                    2 if !all.is_empty() => {
                        let n = place as usize % all.len();
                        let known = &all[n];
                        let to = known.to.unwrap_or(known.from) + Span::from_millis(1000);
                        all[n] = Arc::new(known.amended(Some(to), None, None));
                    }
                    _ => {
                        count += 1;
                        let new = marker(count, front + place, (what > 3).then_some(front + place + 2));
                        let n = all.partition_point(|it| it.from <= new.from);
                        all.insert(n, new);
                    }
                }
                let instant = Monotonic::from_nanos(now * 1_000_000_000);
                let markers = memory.tell(Arc::from(all.clone()), Some(at(front)), instant);
                if step < due {
                    continue;
                }
                due = step + pause.next().expect("it goes round");
                let told: Vec<_> = markers.told(at(front), None).collect();
                match read {
                    // rfc8216bis, 6.3.7: no delta for who has what is older than half of the boundary.
                    Some(read) if now - read <= BOUNDARY / 2 => {
                        for gone in markers.removed() {
                            reader.remove(&gone.range().to_string());
                        }
                        for news in markers.news(at(front)) {
                            let before = reader.insert(news.range().to_string(), news.to).flatten();
                            prop_assert!(before.is_none_or(|end| news.to == Some(end)), "told otherwise");
                        }
                    }
                    _ => reader = told.iter().map(|it| (it.range().to_string(), it.to)).collect(),
                }
                read = Some(now);
                let whole: BTreeMap<_, _> = told.iter().map(|it| (it.range().to_string(), it.to)).collect();
                prop_assert_eq!(&reader, &whole);
            }
        }
    }
}
