//! A playlist that is asked for again and again.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Watcher;
use crate::seen::{Delta, Listing};
use crate::text::Media;

/// How often. Twice a target would do for a player; a judge wants to know when.
const OFTEN: Duration = Duration::from_millis(200);
/// So long before a file may go, in seconds, it is asked for once more.
const MARGIN: f64 = 0.4;

/// A file that may go once its time has come.
struct Gone {
    uri: String,
    /// When it is asked for the last time.
    last: Duration,
}

impl Watcher {
    pub(super) async fn ordinary(&mut self, first: Listing) {
        let target = first.media.target_seconds();
        self.ask_nonsense(&[(format!("{}.ts", first.media.next() + 1000), 404)]).await;
        let mut gone: Vec<Gone> = Vec::new();
        let mut longest: BTreeMap<u64, f64> = BTreeMap::new();
        // When the playlist was last asked for that still listed what it lists no more.
        let mut still = first.answer.asked;
        let mut listing = Some(first);
        while !self.is_over() {
            let old = self.noted.listings.last().map(|it| it.media.clone());
            if let Some(new) = listing.take() {
                let (media, after_trouble, asked) = (new.media.clone(), new.after_trouble, new.answer.asked);
                for segment in &media.segments {
                    let known = longest.entry(segment.number).or_default();
                    *known = known.max(media.length());
                }
                if self.note(new) {
                    for segment in &media.segments {
                        self.fetch_new(segment).await;
                    }
                    if after_trouble {
                        gone.clear();
                    }
                    let removed =
                        old.iter().flat_map(|old| &old.segments).filter(|it| it.number < media.first());
                    let removed: Vec<_> = removed.filter(|it| !it.gap && !after_trouble).collect();
                    for segment in removed {
                        self.fetch(&segment.uri, None).await;
                        // RFC 8216, 6.2.2: its duration and that of the longest playlist that listed it.
                        let due = segment.duration.unwrap_or(0.0) + longest[&segment.number] - MARGIN;
                        let last = still + Duration::from_secs_f64(due.max(0.0));
                        gone.push(Gone { uri: segment.uri.clone(), last });
                    }
                    self.skip(&media, target).await;
                }
                still = asked;
            }
            let now = self.client.now();
            let (due, rest): (Vec<_>, Vec<_>) = gone.into_iter().partition(|it| it.last <= now);
            gone = rest;
            // One that is asked for too late may be gone.
            for file in due.into_iter().filter(|it| now < it.last + Duration::from_secs_f64(MARGIN)) {
                self.fetch(&file.uri, None).await;
            }
            tokio::time::sleep(OFTEN).await;
            listing = self.ask("").await;
        }
    }

    /// Asks for a delta update where one is offered and there is something to leave out.
    pub(super) async fn skip(&mut self, whole: &Media, target: f64) {
        let offered =
            whole.control("CAN-SKIP-UNTIL").is_some_and(|until| whole.length() > until + 2.0 * target);
        if !offered || self.in_trouble {
            return;
        }
        let ranges = whole.control.as_ref().is_some_and(|it| it.says_yes("CAN-SKIP-DATERANGES"));
        for query in ["?_HLS_skip=YES"].into_iter().chain(ranges.then_some("?_HLS_skip=v2")) {
            if let (Some(delta), Some(after)) = (self.ask(query).await, self.ask("").await) {
                let (delta, after) = (delta.media, after.media);
                self.noted.deltas.push(Delta { whole: whole.clone(), delta, after });
            }
        }
    }
}
