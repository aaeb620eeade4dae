//! The list of a stream's markers, and what may be said of which time.

use std::ops::RangeInclusive;
use std::sync::Arc;

use crate::base::{Pts, Span};
use crate::media::marker::{Label, Marker, MarkerId, MarkerKind};

/// How many markers there are at most, ours among them.
const MOST: usize = 10_000;
/// As many of these places are kept for ours: nobody's flood keeps a transmission out.
const KEPT_FOR_OURS: usize = 1_000;
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
    #[error("{0:?} is a kind that Outpost alone sets; choose another word")]
    Ours(String),
    /// It has ended already, and ends do not move back.
    #[error("it has ended already, {} s later than that", .0.as_secs_f64())]
    Ended(Span),
}

/// How often something changed: who has seen a revision knows all there was before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(pub u64);

/// A stream's markers, by where they begin.
#[derive(Debug)]
pub struct Log {
    run: u64,
    count: u64,
    revision: Revision,
    /// In order of their beginnings; those that begin at the same instant, in order of their making.
    markers: Vec<Arc<Marker>>,
    /// How many of them are not ours.
    foreign: usize,
}

impl Log {
    /// Without a marker. `run` is a number by which chance tells this run of the program from all others: it is in
    /// every name.
    pub fn new(run: u64) -> Self {
        Self { run, count: 0, revision: Revision::default(), markers: Vec::new(), foreign: 0 }
    }

    /// How often something changed.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// All there are, in order of their beginnings.
    pub fn markers(&self) -> &[Arc<Marker>] {
        &self.markers
    }

    /// Adds one of ours; for that the oldest that is over makes room, if it must.
    pub fn add_ours(&mut self, draft: Draft) -> Arc<Marker> {
        if self.markers.len() >= MOST {
            let oldest = self.markers.iter().position(|it| it.to.is_some()).unwrap_or(0);
            self.take(oldest);
        }
        self.insert(draft)
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
        self.foreign += 1;
        Ok(self.insert(draft))
    }

    /// Ends a marker at `to`, or lets it last longer; tells other words of it, if there are some.
    ///
    /// # Errors
    /// If there is no such marker, it began or ended later, or `to` has not come yet.
    pub fn end(
        &mut self,
        id: &str,
        to: Pts,
        label: Option<Label>,
        extent: Extent,
    ) -> Result<Arc<Marker>, Refusal> {
        let at = self.find(id)?;
        let known = &self.markers[at];
        let to = past(to, extent)?;
        if to < known.from {
            return Err(Refusal::Backwards(known.from - to));
        }
        if let Some(end) = known.to.filter(|end| *end > to) {
            return Err(Refusal::Ended(end - to));
        }
        let label = label.or_else(|| known.label.clone());
        Ok(self.replace(at, Marker { to: Some(to), label, ..(**known).clone() }))
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
        Ok(self.replace(at, Marker { to: Some(to.max(known.from)), level, label, ..(**known).clone() }))
    }

    /// Removes a marker that is not ours.
    ///
    /// # Errors
    /// If there is none, or it is ours.
    pub fn remove(&mut self, id: &str) -> Result<Arc<Marker>, Refusal> {
        let at = self.find(id)?;
        if self.markers[at].kind.is_ours() {
            return Err(Refusal::Ours(self.markers[at].kind.to_string()));
        }
        Ok(self.take(at))
    }

    /// Forgets what ended before the window begins; says how many that were.
    pub fn forget_before(&mut self, oldest: Pts) -> usize {
        let before = self.markers.len();
        // What begins within the window is all there: only those before it have to be looked at.
        let begun = self.markers.partition_point(|it| it.from < oldest);
        let over = |it: &Arc<Marker>| it.to.is_some_and(|to| to < oldest);
        if !self.markers[..begun].iter().any(over) {
            return 0;
        }
        self.markers.retain(|it| !over(it));
        self.foreign = self.markers.iter().filter(|it| !it.kind.is_ours()).count();
        self.revision.0 += 1;
        before - self.markers.len()
    }

    /// Those of which some lies in `range`.
    pub fn between(&self, range: RangeInclusive<Pts>) -> impl Iterator<Item = &Arc<Marker>> {
        let end = self.markers.partition_point(|it| it.from <= *range.end());
        let from = *range.start();
        self.markers[..end].iter().filter(move |it| it.to.is_none_or(|to| to >= from))
    }

    fn find(&self, id: &str) -> Result<usize, Refusal> {
        let found = self.markers.iter().position(|it| it.id.as_str() == id);
        found.ok_or_else(|| Refusal::Unknown(id.to_owned()))
    }

    fn insert(&mut self, draft: Draft) -> Arc<Marker> {
        self.count += 1;
        self.revision.0 += 1;
        let Draft { kind, from, to, level, label } = draft;
        let marker =
            Arc::new(Marker { id: MarkerId::new(self.run, self.count), kind, from, to, level, label });
        let at = self.markers.partition_point(|it| it.from <= from);
        self.markers.insert(at, Arc::clone(&marker));
        marker
    }

    fn replace(&mut self, at: usize, marker: Marker) -> Arc<Marker> {
        self.revision.0 += 1;
        self.markers[at] = Arc::new(marker);
        Arc::clone(&self.markers[at])
    }

    fn take(&mut self, at: usize) -> Arc<Marker> {
        self.revision.0 += 1;
        let marker = self.markers.remove(at);
        self.foreign -= usize::from(!marker.kind.is_ours());
        marker
    }
}

/// An instant that has come, or as good as.
fn past(at: Pts, extent: Extent) -> Result<Pts, Refusal> {
    match at - extent.now {
        ahead if ahead > AHEAD => Err(Refusal::Future(ahead)),
        _ => Ok(at.min(extent.now)),
    }
}

/// A draft of a time of which something can be said.
fn within(draft: Draft, extent: Extent) -> Result<Draft, Refusal> {
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
            let found = log.end(id.as_str(), at(to), label, extent(0, now));
            found.map(|it| (it.to, it.label.as_ref().map(|it| it.as_str().to_owned())))
        };
        assert_eq!(end(9_000, None, 20_000), Err(Refusal::Backwards(Span::from_millis(1_000))));
        assert_eq!(end(15_000, None, 20_000), Ok((Some(at(15_000)), None)));
        assert_eq!(end(18_000, Some("open"), 20_000), Ok((Some(at(18_000)), Some("open".to_owned()))));
        assert_eq!(end(16_000, None, 20_000), Err(Refusal::Ended(Span::from_millis(2_000))));
        assert_eq!(end(19_000, None, 20_000), Ok((Some(at(19_000)), Some("open".to_owned()))));
        assert!(matches!(end(30_000, None, 20_000), Err(Refusal::Future(_))));
        assert_eq!(log.remove(id.as_str()).expect("there").id, id);
        assert_eq!(log.remove(id.as_str()), Err(Refusal::Unknown(id.to_string())));
        let ours = log.add_ours(draft("gap", 1_000, Some(2_000)));
        assert!(matches!(log.remove(ours.id.as_str()), Err(Refusal::Ours(_))));
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
        assert_eq!(
            log.forget_before(at(21_000)),
            MOST - 2_001,
            "the open one, and those of the last two seconds"
        );
        assert!(log.add(draft("door", 30_000, None), window).is_ok());
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
            let kept: Vec<_> = log.markers().iter().map(told).collect();
            prop_assert!(kept.windows(2).all(|pair| pair[0].0 <= pair[1].0));
            let mut sorted: Vec<_> = model.iter().map(|(from, to)| (at(*from), at(*to))).collect();
            let (mut kept, range) = (kept, at(2_000)..=at(6_000));
            sorted.sort();
            kept.sort();
            prop_assert_eq!(&kept, &sorted);
            let mut between: Vec<_> = log.between(range).map(told).collect();
            between.sort();
            sorted.retain(|(from, to)| *from <= at(6_000) && *to >= at(2_000));
            prop_assert_eq!(between, sorted);
        }
    }
}
