//! The list of a stream's markers.

use std::collections::VecDeque;
use std::sync::Arc;

use super::draft::{Draft, Extent, MOST, Refusal, past, within};
use crate::base::{Pts, Span};
use crate::media::marker::{Label, Marker, MarkerId, MarkerKind};

/// As many of these places are kept for ours: nobody's flood keeps a transmission out.
const KEPT_FOR_OURS: usize = 1_000;
/// Whoever was to end a marker that began so long before the window is taken for gone.
const LEFT_OPEN: Span = Span::from_millis(24 * 3_600_000);
/// How many changes can be told again to whoever missed them.
const RECALLED: usize = 4_096;

/// How often something changed: who has seen a revision knows all there was before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(pub u64);

impl Revision {
    /// Where a run begins: runs that begin a second apart have a thousand revisions for it, so that one of an earlier run
    /// is hardly ever one of this. Exact in the floating point of other programs, which goes up to 2^53.
    fn first(run: u64) -> Self {
        Self(run >> 20)
    }
}

/// What a revision changed.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// The marker is new, or another than before.
    Set(Arc<Marker>),
    /// It was removed, or has left the window.
    Removed(MarkerId),
}

/// A stream's markers, by where they begin.
#[derive(Debug)]
pub struct Log {
    run: u64,
    count: u64,
    revision: Revision,
    /// The last changes, each with the revision that it made.
    recent: VecDeque<(Revision, Change)>,
    /// The last revision of which something is not among these any more.
    forgotten: Revision,
    /// In order of their beginnings; those that begin at the same instant, in order of their making.
    markers: Vec<Arc<Marker>>,
    /// How many of them are not ours.
    foreign: usize,
}

impl Log {
    /// Without a marker. `run` is a number by which chance tells this run of the program from all others: it is in
    /// every name.
    pub fn new(run: u64) -> Self {
        let (revision, forgotten) = (Revision::first(run), Revision::first(run));
        let (recent, markers) = (VecDeque::new(), Vec::new());
        Self { run, count: 0, revision, recent, forgotten, markers, foreign: 0 }
    }

    /// How often something changed.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// All there are, in order of their beginnings.
    pub fn markers(&self) -> &[Arc<Marker>] {
        &self.markers
    }

    /// What has changed since `revision`, and which revision each change made; `None` if that is too long ago to be told,
    /// or of another run.
    pub fn since(&self, revision: Revision) -> Option<impl Iterator<Item = &(Revision, Change)>> {
        let known = (self.forgotten..=self.revision).contains(&revision);
        let from = self.recent.partition_point(|(made, _)| *made <= revision);
        known.then(|| self.recent.range(from..))
    }

    /// Adds one of ours; for that the oldest that is over makes room, if it must.
    pub fn add_ours(&mut self, draft: Draft) -> Arc<Marker> {
        self.make_room();
        self.insert(draft)
    }

    fn make_room(&mut self) {
        if self.markers.len() >= MOST {
            let oldest = self.markers.iter().position(|it| it.to.is_some()).unwrap_or(0);
            self.take(oldest);
        }
    }

    /// Adds gaps for media that were lost, where none is told of that time: renditions lose it together.
    pub fn add_gap(&mut self, from: Pts, to: Pts) {
        let begun = self.markers.partition_point(|it| it.from < to);
        let gaps = self.markers[..begun].iter().filter(|it| it.kind == MarkerKind::GAP);
        // One that goes on is a source's, and tells nothing of the way.
        let told = gaps.filter_map(|it| Some((it.from, it.to?))).filter(|(_, end)| *end > from);
        let told: Vec<_> = told.chain([(to, to)]).collect();
        let label = "lost on the way: the box did not keep up".parse::<Label>().ok();
        let mut from = from;
        for (begin, end) in told {
            if from < begin {
                let label = label.clone();
                self.add_ours(Draft { kind: MarkerKind::GAP, from, to: Some(begin), level: None, label });
            }
            from = from.max(end);
        }
    }

    /// Adds one for somebody else.
    ///
    /// # Errors
    /// If it is of a kind or of a time of which nobody else may say anything, or there are too many.
    pub fn add(&mut self, draft: Draft, extent: Extent) -> Result<Arc<Marker>, Refusal> {
        if draft.kind.is_ours() {
            return Err(Refusal::Ours(draft.kind.to_string()));
        }
        let draft = within(draft, extent)?;
        if self.foreign >= MOST - KEPT_FOR_OURS {
            return Err(Refusal::Full);
        }
        self.make_room();
        self.foreign += 1;
        Ok(self.insert(draft))
    }

    /// Ends somebody's marker at `to`, or lets it last longer; tells other words of it, if there are some.
    ///
    /// # Errors
    /// If there is no such marker, it is ours, it began or ended later, or `to` has not come yet.
    pub fn amend(
        &mut self,
        id: &str,
        to: Option<Pts>,
        label: Option<Label>,
        extent: Extent,
    ) -> Result<Arc<Marker>, Refusal> {
        let at = self.find_foreign(id)?;
        let known = &self.markers[at];
        let to = to.map(|to| past(to, extent)).transpose()?;
        if let Some(to) = to.filter(|to| *to < known.from) {
            return Err(Refusal::Backwards(known.from - to));
        }
        if let Some((end, to)) = known.to.zip(to).filter(|(end, to)| end > to) {
            return Err(Refusal::Ended(end - to));
        }
        let label = label.or_else(|| known.label.clone());
        Ok(self.replace(at, known.amended(to.or(known.to), known.level, label)))
    }

    /// Says how one of ours ended.
    ///
    /// # Errors
    /// If it has left the window.
    pub fn end_ours(
        &mut self,
        id: &MarkerId,
        to: Pts,
        level: Option<f32>,
        label: Option<Label>,
    ) -> Result<Arc<Marker>, Refusal> {
        let at = self.find(id.as_str())?;
        let known = &self.markers[at];
        let label = label.or_else(|| known.label.clone());
        Ok(self.replace(at, known.amended(Some(to.max(known.from)), level.or(known.level), label)))
    }

    /// Removes a marker that is not ours.
    ///
    /// # Errors
    /// If there is none, or it is ours.
    pub fn remove(&mut self, id: &str) -> Result<Arc<Marker>, Refusal> {
        let at = self.find_foreign(id)?;
        Ok(self.take(at))
    }

    /// Forgets what ended before the window begins, and what somebody has left open for a day.
    pub fn forget_before(&mut self, oldest: Pts) {
        // What begins within the window is all there: only those before it have to be looked at.
        let begun = self.markers.partition_point(|it| it.from < oldest);
        for gone in self.markers.extract_if(..begun, |it| is_over(it, oldest)).collect::<Vec<_>>() {
            self.foreign -= usize::from(!gone.kind.is_ours());
            self.note(Change::Removed(gone.id.clone()));
        }
    }

    /// Something has changed.
    fn note(&mut self, change: Change) {
        self.revision.0 += 1;
        self.recent.push_back((self.revision, change));
        if self.recent.len() > RECALLED {
            self.forgotten = self.recent.pop_front().map_or(self.revision, |(made, _)| made);
        }
    }

    fn find(&self, id: &str) -> Result<usize, Refusal> {
        let found = self.markers.iter().position(|it| it.id.as_str() == id);
        found.ok_or_else(|| Refusal::Unknown(id.to_owned()))
    }

    fn find_foreign(&self, id: &str) -> Result<usize, Refusal> {
        let at = self.find(id)?;
        let kind = &self.markers[at].kind;
        if kind.is_ours() { Err(Refusal::Ours(kind.to_string())) } else { Ok(at) }
    }

    fn insert(&mut self, draft: Draft) -> Arc<Marker> {
        self.count += 1;
        let Draft { kind, from, to, level, label } = draft;
        let marker = Arc::new(Marker {
            id: MarkerId::new(self.run, self.count),
            kind,
            from,
            to,
            level,
            label,
            edition: 0,
        });
        let at = self.markers.partition_point(|it| it.from <= from);
        self.markers.insert(at, Arc::clone(&marker));
        self.note(Change::Set(Arc::clone(&marker)));
        marker
    }

    fn replace(&mut self, at: usize, marker: Marker) -> Arc<Marker> {
        self.markers[at] = Arc::new(marker);
        self.note(Change::Set(Arc::clone(&self.markers[at])));
        Arc::clone(&self.markers[at])
    }

    fn take(&mut self, at: usize) -> Arc<Marker> {
        let marker = self.markers.remove(at);
        self.foreign -= usize::from(!marker.kind.is_ours());
        self.note(Change::Removed(marker.id.clone()));
        marker
    }
}

/// Whether nothing of a marker is to be told any more in a window that begins at `oldest`.
pub(super) fn is_over(marker: &Marker, oldest: Pts) -> bool {
    match marker.to {
        Some(to) => to < oldest,
        None => !marker.kind.is_ours() && oldest - marker.from > LEFT_OPEN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(millis: i64) -> Pts {
        Pts::default() + Span::from_millis(millis)
    }

    fn draft(kind: &str, from: i64, to: Option<i64>) -> Draft {
        let kind = kind.parse().expect("a kind");
        Draft { kind, from: at(from), to: to.map(at), level: None, label: None }
    }

    fn extent(oldest: i64, now: i64) -> Extent {
        Extent { oldest: at(oldest), now: at(now) }
    }

    #[test]
    fn what_cannot_be_said_is_refused_and_says_why() {
        let mut log = Log::new(0xabc);
        let window = extent(60_000, 120_000);
        // What is asked for; where it begins and ends then, or what is wrong.
        type Case = (&'static str, i64, Option<i64>, Result<(i64, Option<i64>), &'static str>);
        let table: &[Case] = &[
            ("door", 100_000, Some(110_000), Ok((100_000, Some(110_000)))),
            ("door", 100_000, None, Ok((100_000, None))),
            ("door", 100_000, Some(100_000), Ok((100_000, Some(100_000)))),
            ("door", 50_000, Some(70_000), Ok((50_000, Some(70_000)))),
            ("door", 50_000, None, Ok((50_000, None))),
            ("door", 121_000, Some(121_500), Ok((120_000, Some(120_000)))),
            ("door", 130_000, None, Err("10 s in the future")),
            ("door", 110_000, Some(130_000), Err("10 s in the future")),
            ("door", 40_000, Some(50_000), Err("10 s before the window begins")),
            ("door", 110_000, Some(100_000), Err("10 s before it begins")),
            ("gap", 100_000, None, Err("Outpost alone")),
        ];
        for (kind, from, to, expected) in table {
            let found = log.add(draft(kind, *from, *to), window);
            match (found, expected) {
                (Ok(it), Ok((from, to))) => assert_eq!((it.from, it.to), (at(*from), to.map(at))),
                (Err(why), Err(words)) => assert!(why.to_string().contains(words), "{why}"),
                (found, _) => panic!("{kind} {from} {to:?}: {found:?}"),
            }
        }
        assert_eq!(log.markers().len(), 6);
        assert_eq!(log.revision(), Revision(6), "what is refused changes nothing");
    }

    #[test]
    fn a_marker_ends_lasts_longer_and_is_removed() {
        let mut log = Log::new(1);
        let id = log.add(draft("door", 10_000, None), extent(0, 20_000)).expect("added").id.clone();
        let mut end = |to, label: Option<&str>, now| {
            let label = label.map(|it| it.parse().expect("a label"));
            let found = log.amend(id.as_str(), Some(at(to)), label, extent(0, now));
            found.map(|it| (it.to, it.label.as_ref().map(|it| it.as_str().to_owned())))
        };
        assert_eq!(end(9_000, None, 20_000), Err(Refusal::Backwards(Span::from_millis(1_000))));
        assert_eq!(end(15_000, None, 20_000), Ok((Some(at(15_000)), None)));
        assert_eq!(end(18_000, Some("open"), 20_000), Ok((Some(at(18_000)), Some("open".to_owned()))));
        assert_eq!(end(16_000, None, 20_000), Err(Refusal::Ended(Span::from_millis(2_000))));
        assert_eq!(end(19_000, None, 20_000), Ok((Some(at(19_000)), Some("open".to_owned()))));
        assert!(matches!(end(30_000, None, 20_000), Err(Refusal::Future(_))));
        let shut = log.amend(id.as_str(), None, Some("shut".parse().expect("a label")), extent(0, 20_000));
        let shut = shut.map(|it| (it.to, it.label.as_ref().map(|it| it.as_str().to_owned())));
        assert_eq!(shut, Ok((Some(at(19_000)), Some("shut".to_owned()))), "the words alone");
        assert_eq!(log.remove(id.as_str()).expect("there").id, id);
        assert_eq!(log.remove(id.as_str()), Err(Refusal::Unknown(id.to_string())));
        let ours = log.add_ours(draft("gap", 1_000, Some(2_000)));
        assert!(matches!(log.remove(ours.id.as_str()), Err(Refusal::Ours(_))));
        let end = log.amend(ours.id.as_str(), Some(at(3_000)), None, extent(0, 20_000));
        assert!(matches!(end, Err(Refusal::Ours(_))));
    }

    #[test]
    fn what_all_renditions_lose_is_one_gap() {
        /// What is lost, one after the other, and what is told then.
        type Case = (&'static [(i64, i64)], &'static [(i64, i64)]);
        let table: &[Case] = &[
            (&[(10, 12), (10, 12), (11, 14), (14, 15)], &[(10, 12), (12, 14), (14, 15)]),
            (&[(30, 40), (25, 45)], &[(25, 30), (30, 40), (40, 45)]),
            (&[(30, 40), (28, 40)], &[(28, 30), (30, 40)]),
            (&[(30, 40), (32, 38), (30, 40)], &[(30, 40)]),
            (&[(10, 20), (30, 40), (50, 60), (15, 55)], &[(10, 20), (20, 30), (30, 40), (40, 50), (50, 60)]),
            (&[(10, 20), (20, 30), (5, 10)], &[(5, 10), (10, 20), (20, 30)]),
            (&[(10, 10), (12, 11)], &[]),
        ];
        for (lost, expected) in table {
            let mut log = Log::new(1);
            // What somebody else tells of that time, and a source that is away, tell nothing of the way.
            log.add(draft("door", 0, Some(90_000)), extent(0, 90_000)).expect("added");
            log.add_ours(draft("gap", 1_000, None));
            lost.iter().for_each(|(from, to)| log.add_gap(at(from * 1000), at(to * 1000)));
            let told: Vec<_> = log.markers()[2..].iter().map(|it| (it.from, it.to)).collect();
            let gaps: Vec<_> =
                expected.iter().map(|(from, to)| (at(from * 1000), Some(at(to * 1000)))).collect();
            assert_eq!(told, gaps, "{lost:?}");
        }
    }

    #[test]
    fn a_flood_keeps_no_transmission_out_and_what_is_over_makes_room() {
        let mut log = Log::new(1);
        let window = extent(0, 1_000_000);
        let open = log.add_ours(draft("transmission", 0, None));
        let mut refused = 0;
        for n in 0..MOST as i64 + 500 {
            refused += usize::from(log.add(draft("door", n, Some(n)), window).is_err());
        }
        assert_eq!((log.markers().len(), refused), (MOST - KEPT_FOR_OURS + 1, KEPT_FOR_OURS + 500));
        for n in 0..3_000 {
            log.add_ours(draft("transmission", 20_000 + n, Some(20_000 + n)));
        }
        assert_eq!(log.markers().len(), MOST);
        assert_eq!(log.markers()[0].id, open.id, "what goes on stays");
        log.forget_before(at(21_000));
        assert_eq!(log.markers().len(), 2_001, "the open one, and those of the last two seconds");
        assert!(log.add(draft("door", 30_000, None), window).is_ok());
    }

    #[test]
    fn there_are_never_more_than_there_may_be() {
        let mut log = Log::new(1);
        let window = extent(0, 1_000_000);
        for n in 0..MOST as i64 {
            log.add_ours(draft("transmission", n, Some(n)));
        }
        for n in 0..100 {
            assert!(log.add(draft("door", n, Some(n)), window).is_ok());
        }
        assert_eq!(log.markers().len(), MOST);
    }

    #[test]
    fn what_somebody_left_open_is_forgotten_after_a_day() {
        let day = LEFT_OPEN.ticks() / 90;
        let mut log = Log::new(1);
        assert!(log.add(draft("door", 5_000, None), extent(0, 10_000)).is_ok());
        log.add_ours(draft("transmission", 6_000, None));
        log.forget_before(at(5_000 + day));
        assert_eq!(log.markers().len(), 2, "a day is not over");
        log.forget_before(at(5_001 + day));
        assert_eq!(log.markers().len(), 1, "what Outpost sets, it ends");
    }

    #[test]
    fn what_has_changed_is_told_again_for_a_while() {
        let mut log = Log::new(7 << 20);
        let ids = |log: &Log, since| {
            let told = log.since(Revision(since))?.map(|(_, change)| match change {
                Change::Set(marker) => format!("{}{}", marker.id, if marker.to.is_some() { "." } else { "" }),
                Change::Removed(id) => format!("no {id}"),
            });
            Some(told.collect::<Vec<_>>().join(" "))
        };
        assert_eq!(ids(&log, 7).as_deref(), Some(""));
        let marker = log.add(draft("door", 1_000, None), extent(0, 9_000)).expect("added");
        log.add_ours(draft("gap", 2_000, Some(3_000)));
        log.amend(marker.id.as_str(), Some(at(4_000)), None, extent(0, 9_000)).expect("ended");
        log.forget_before(at(5_000));
        let table = [
            (6, None),
            (7, Some("700000-1 700000-2. 700000-1. no 700000-1 no 700000-2")),
            (9, Some("700000-1. no 700000-1 no 700000-2")),
            (10, Some("no 700000-1 no 700000-2")),
            (11, Some("no 700000-2")),
            (12, Some("")),
            (13, None),
        ];
        for (since, expected) in table {
            assert_eq!(ids(&log, since).as_deref(), expected, "since {since}");
        }
        for n in 0..RECALLED as i64 {
            log.add_ours(draft("gap", n, Some(n)));
        }
        assert_eq!(ids(&log, 10), None, "too long ago");
        assert_eq!(log.since(Revision(12)).map(Iterator::count), Some(RECALLED));
    }

    proptest! {
        #[test]
        fn markers_stand_in_order_each_with_its_name(
            steps in proptest::collection::vec((0i64..1000, 0i64..200, 0u8..10), 1..200),
        ) {
            let mut log = Log::new(7);
            let mut names = std::collections::BTreeSet::new();
            let mut model: Vec<(i64, i64)> = Vec::new();
            let mut oldest = 0;
            for (from, length, what) in steps {
                let (from, to) = (from * 10, (from + length) * 10);
                if what == 0 {
                    oldest = oldest.max(from / 2);
                    log.forget_before(at(oldest));
                    model.retain(|(_, to)| *to >= oldest);
                } else if let Ok(marker) = log.add(draft("door", from, Some(to)), extent(oldest, 20_000)) {
                    prop_assert!(names.insert(marker.id.clone()), "a name comes once");
                    model.push((from, to));
                }
            }
            model.sort_by_key(|(from, _)| *from);
            let told = |it: &Arc<Marker>| (it.from, it.to.expect("they all end"));
            let mut kept: Vec<_> = log.markers().iter().map(told).collect();
            prop_assert!(kept.windows(2).all(|pair| pair[0].0 <= pair[1].0));
            let mut sorted: Vec<_> = model.iter().map(|(from, to)| (at(*from), at(*to))).collect();
            sorted.sort();
            kept.sort();
            prop_assert_eq!(kept, sorted);
        }
    }
}
