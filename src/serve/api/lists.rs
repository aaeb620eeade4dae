//! Lists of a stream's markers: each written when the first asks, and the same for all who want the same.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::{HeaderMap, StatusCode};

use super::clocks::{Clocks, Moment};
use super::{Fault, told};
use crate::media::marker::MarkerKind;
use crate::playlist::{Piece, query};
use crate::serve::aside::Aside;
use crate::serve::negotiate::{self, Coding};
use crate::serve::reply::{self, Reply};
use crate::serve::station::Station;
use crate::serve::text::{self, Text};
use crate::serve::texts::{Kept, SHORT, Slot, made};
use crate::timeline::{Revision, Shown};

/// How long a list may take to be written, and in how many seconds it is worth asking again.
const PATIENCE: Duration = Duration::from_secs(10);
const LATER: u32 = 2;

/// The last lists of a stream, and who writes long ones.
#[derive(Default)]
pub(in crate::serve) struct Lists {
    kept: Kept<Wanted>,
    desk: Aside,
}

/// Which list is wanted.
#[derive(Clone, PartialEq, Hash)]
struct Wanted {
    revision: Revision,
    moment: Moment,
    piece: Option<Piece>,
    kind: Option<MarkerKind>,
}

/// A list that is asked for.
pub(in crate::serve) struct Listing {
    station: Arc<Station>,
    shown: Arc<Shown>,
    clocks: Clocks,
    wanted: Wanted,
    slot: Slot,
}

impl Listing {
    /// Of the markers there are now, as a query asks for them.
    pub(super) fn new(station: &Arc<Station>, query: &str) -> Result<Self, Fault> {
        let piece = Piece::parse(query)?;
        let kind = query::parameter(query, "kind")?.map(|kind| kind.parse::<MarkerKind>()).transpose();
        let kind = kind.map_err(|why| Fault::new(StatusCode::BAD_REQUEST, why))?;
        station.forget();
        let (shown, clocks) = (station.timeline().shown(), Clocks::of(station));
        let wanted = Wanted { revision: shown.revision, moment: clocks.moment(), piece, kind };
        let slot = station.lists().kept.slot(&wanted);
        Ok(Self { station: station.clone(), shown, clocks, wanted, slot })
    }

    /// The answer, if the list is written or short.
    pub(super) fn at_once(&self, asked: &HeaderMap) -> Option<Reply> {
        let short = self.shown.markers.len() <= SHORT;
        let text = match self.slot.get() {
            Some(text) => text.clone(),
            None if short => {
                let text = Arc::new(self.write());
                // Should somebody have been quicker, it is the same.
                let _ = self.slot.set(text.clone());
                text
            }
            None => return None,
        };
        (short || text.has(negotiate::coding(asked))).then(|| reply::list(asked, &text))
    }

    /// The answer, when a long list has been written on another thread, by this turn or somebody else's.
    pub(in crate::serve) async fn answer(self: Arc<Self>, asked: &HeaderMap) -> Reply {
        let text = tokio::time::timeout(PATIENCE, self.written(negotiate::coding(asked))).await;
        text.ok().flatten().map_or_else(Self::in_vain, |text| reply::list(asked, &text))
    }

    /// What is said when it was not written in time.
    pub(in crate::serve) fn in_vain() -> Reply {
        let why = "the list was not written in time; ask for less of it with from and to, or again";
        Fault { again: Some(LATER), ..Fault::new(StatusCode::SERVICE_UNAVAILABLE, why) }.reply()
    }

    async fn written(self: &Arc<Self>, coding: Coding) -> Option<Arc<Text>> {
        let listing = self.clone();
        made(&self.slot, &self.station.lists().desk, coding, move || listing.write()).await
    }

    /// What is wanted says all that it tells: it is tagged by that.
    fn write(&self) -> Text {
        let Wanted { piece, kind, .. } = &self.wanted;
        let list = told::list(&self.shown, &self.clocks, *piece, kind.as_ref());
        Text::tagged(Bytes::from(list), text::hash(&self.wanted))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Pts, Span};
    use crate::segment::Shelf;
    use crate::serve::live::tests::{rendition, segment, snapshot};
    use crate::serve::snapshot::Snapshots;
    use crate::serve::station::Lineup;
    use crate::timeline::Draft;
    use hyper::header::{ACCEPT_ENCODING, CONTENT_ENCODING};

    /// A stream of so many markers, one a second.
    fn station(count: usize) -> Arc<Station> {
        let lineup = Lineup::new(vec![Arc::new(rendition())], Box::new(|_, _| String::new()));
        let station = Station::new("radio", "Radio", lineup, None, Snapshots::None("it has sound alone"));
        list(&station, 7);
        (0..count).for_each(|at| set(&station, at));
        Arc::new(station)
    }

    fn list(station: &Station, newest: u64) {
        let listed = (0..=newest).map(segment).collect();
        station.first().expect("one").list(Arc::new(snapshot(listed)));
    }

    fn set(station: &Station, second: usize) {
        let kind = if second.is_multiple_of(2) { "transmission" } else { "motion" }.parse().expect("a kind");
        let from = Pts::default() + Span::from_millis(1000 * second as i64);
        let draft = Draft { kind, from, to: Some(from), level: Some(-20.5), label: None };
        station.timeline().write(|log| log.add_ours(draft));
    }

    fn listing(station: &Arc<Station>, query: &str) -> Arc<Listing> {
        Arc::new(Listing::new(station, query).unwrap_or_else(|fault| panic!("{query}: {fault:?}")))
    }

    #[tokio::test]
    async fn long_lists_are_written_aside_once_for_all_who_want_the_same() {
        let station = station(SHORT + 1);
        let plain = HeaderMap::new();
        let (one, two) = (listing(&station, "kind=motion"), listing(&station, "x=y&kind=motion"));
        assert!(one.at_once(&plain).is_none() && two.at_once(&plain).is_none());
        let (first, second) = tokio::join!(one.clone().answer(&plain), two.clone().answer(&plain));
        assert_eq!([first.status(), second.status()], [StatusCode::OK; 2]);
        let text = one.slot.get().expect("written").clone();
        assert!(Arc::ptr_eq(&text, two.slot.get().expect("written")));
        let told = String::from_utf8(text.bytes(Coding::Identity).to_vec()).expect("text");
        assert_eq!(told.matches("\"kind\":\"motion\"").count(), SHORT.div_ceil(2));

        let mut packed = HeaderMap::new();
        packed.insert(ACCEPT_ENCODING, "gzip".parse().expect("a value"));
        let later = listing(&station, "kind=motion");
        assert!(later.at_once(&plain).is_some() && later.at_once(&packed).is_none(), "it is not packed yet");
        assert_eq!(later.clone().answer(&packed).await.headers()[CONTENT_ENCODING], "gzip");
        assert!(later.at_once(&packed).is_some() && Arc::ptr_eq(&text, later.slot.get().expect("written")));

        for (other, what) in [("", "another query"), ("kind=motion&from=2023-11-14T22:13:21Z", "a piece")] {
            assert!(listing(&station, other).at_once(&plain).is_none(), "{what}");
        }
        list(&station, 8);
        assert!(listing(&station, "kind=motion").at_once(&plain).is_none(), "other places");
        set(&station, 5);
        assert!(listing(&station, "kind=motion").at_once(&plain).is_none(), "other markers");
    }

    #[test]
    fn short_lists_are_written_at_once_and_shared_too() {
        let station = station(SHORT);
        let (one, two) = (listing(&station, ""), listing(&station, ""));
        assert!(one.at_once(&HeaderMap::new()).is_some());
        assert!(two.slot.get().is_some(), "it is there before the second asks");
    }
}
