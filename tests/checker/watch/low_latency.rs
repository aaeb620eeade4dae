//! A playlist whose next state is asked for before it is there.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use super::Watcher;
use super::client::join;
use crate::seen::{Fetch, Listing};

/// Every so many parts, a delta update is asked for as well.
const DELTA_EVERY: usize = 8;
/// If a request fails, the next one waits so long.
const PAUSE: Duration = Duration::from_millis(200);

impl Watcher {
    pub(super) async fn low_latency(&mut self, first: Listing) {
        self.refusals(&first).await;
        let mut hinted: JoinSet<Fetch> = JoinSet::new();
        let mut asked_for = String::new();
        let mut listing = Some(first);
        let mut rounds = 0;
        while !self.is_over() {
            if let Some(new) = listing.take() {
                let media = new.media.clone();
                // What failed in bad weather is not to be taken for a failure in good.
                self.collect(&mut hinted);
                self.note(new);
                let hint = media.hints.iter().find(|hint| hint.kind == "PART").map(|hint| hint.uri.clone());
                if let Some(uri) = hint.filter(|uri| *uri != asked_for) {
                    asked_for.clone_from(&uri);
                    let (client, path) = (Arc::clone(&self.client), join(&self.path, &uri));
                    hinted.spawn(async move {
                        let answer = client.file(&path).await;
                        Fetch { clear: Arc::clone(&answer.body), answer, uri, owed: true, hinted: true }
                    });
                }
                // The last part came by its hint, or is just coming.
                for segment in &media.segments {
                    self.fetch_new(segment).await;
                }
                rounds += 1;
                if rounds % DELTA_EVERY == 0 {
                    self.skip(&media, media.target_seconds()).await;
                }
            }
            let Some(last) = self.noted.listings.last().map(|it| &it.media) else { break };
            let query = format!("?_HLS_msn={}&_HLS_part={}", last.next(), last.edge.parts.len());
            listing = self.ask(&query).await;
            match &listing {
                Some(listing) => self.noted.held.push(listing.clone()),
                None => tokio::time::sleep(PAUSE).await,
            }
            if listing.is_none() && self.in_trouble {
                // Numbers may have moved on.
                listing = self.ask("").await;
            }
        }
        self.collect(&mut hinted);
    }

    /// Notes the hinted parts that have come.
    fn collect(&mut self, hinted: &mut JoinSet<Fetch>) {
        while let Some(fetch) = hinted.try_join_next() {
            let fetch = fetch.expect("a request does not fail");
            self.look_at_the_weather();
            if !self.in_trouble {
                self.noted.files.push(fetch);
            }
        }
    }

    /// What has to be refused (rfc8216bis, 6.2.5.2 and 6.2.6), and what must not be.
    async fn refusals(&mut self, first: &Listing) {
        let media = &first.media;
        let next = media.next();
        let question = |query: String| (query, 400);
        self.ask_nonsense(&[
            question("?_HLS_part=1".to_owned()),
            question("?_HLS_msn=one".to_owned()),
            question(format!("?_HLS_msn={next}&_HLS_part=-1")),
            question(format!("?_HLS_msn={}", next + 10)),
            question(format!("?_HLS_msn={next}&_HLS_part=1000")),
            (format!("{}.0.m4s", next + 100), 404),
            (format!("{}.m4s", next + 100), 404),
        ])
        .await;
        // What is long known is answered at once, and whole.
        if let Some(old) = self.ask(&format!("?_HLS_msn={}", media.first())).await {
            self.noted.held.push(old);
        }
    }
}
