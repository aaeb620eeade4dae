//! The places at a source: streams take and leave them while its thread runs.
//!
//! The thread looks for news before each block or picture. It takes no lock for that, and waits for nobody.

use std::sync::mpsc::{self, Receiver, Sender};

use crate::base::Pts;

/// What takes a place.
pub trait Guest {
    /// Whether it is of the stream of this name.
    fn is_of(&self, stream: &str) -> bool;

    /// Nothing comes any more.
    fn finish(&mut self);
}

/// The places themselves, for the source's thread. Nobody has taken any yet.
pub fn seats<G: Guest>() -> (Usher<G>, Seats<G>) {
    let (tell, news) = mpsc::channel();
    (Usher(tell), Seats { taken: Vec::new(), waiting: Vec::new(), news })
}

/// Shows guests to their places, and out.
#[derive(Debug)]
pub struct Usher<G>(Sender<News<G>>);

/// Who has a place.
#[derive(Debug)]
pub struct Seats<G> {
    taken: Vec<G>,
    /// Those who begin only when the source has come so far.
    waiting: Vec<(Pts, G)>,
    news: Receiver<News<G>>,
}

#[derive(Debug)]
enum News<G> {
    Comes(Pts, G),
    Leaves(String),
}

impl<G: Guest> Usher<G> {
    /// From now on `guest` has what is captured at `since` or later.
    pub fn seat(&self, since: Pts, guest: G) {
        // A source that has ended has nothing to give.
        let _ = self.0.send(News::Comes(since, guest));
    }

    /// The guests of this stream leave.
    pub fn dismiss(&self, stream: &str) {
        let _ = self.0.send(News::Leaves(stream.to_owned()));
    }
}

impl<G: Guest> Seats<G> {
    /// Who is to have what was captured at `at`, which increases from call to call.
    pub fn at(&mut self, at: Pts) -> &mut [G] {
        while let Ok(news) = self.news.try_recv() {
            match news {
                News::Comes(since, guest) => self.waiting.push((since, guest)),
                News::Leaves(stream) => self.dismiss(&stream),
            }
        }
        if !self.waiting.is_empty() {
            let come = self.waiting.extract_if(.., |(since, _)| *since <= at);
            self.taken.extend(come.map(|(_, guest)| guest));
        }
        &mut self.taken
    }

    /// The source ends.
    pub(super) fn finish(mut self) {
        self.taken.iter_mut().for_each(Guest::finish);
    }

    fn dismiss(&mut self, stream: &str) {
        self.waiting.retain(|(_, guest)| !guest.is_of(stream));
        self.taken.extract_if(.., |guest| guest.is_of(stream)).for_each(|mut guest| guest.finish());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    struct Named(&'static str, Arc<Mutex<Vec<&'static str>>>);

    impl Guest for Named {
        fn is_of(&self, stream: &str) -> bool {
            self.0.starts_with(stream)
        }

        fn finish(&mut self) {
            self.1.lock().expect("nobody panicked").push(self.0);
        }
    }

    #[test]
    fn guests_come_when_the_source_has_come_so_far_and_leave_with_their_stream() {
        let finished = Arc::default();
        let (usher, mut seats) = seats::<Named>();
        let named = |name| Named(name, Arc::clone(&finished));
        let mut at = |ticks| seats.at(Pts::from_ticks(ticks)).iter().map(|it| it.0).collect::<Vec<_>>();
        assert!(at(0).is_empty());
        usher.seat(Pts::from_ticks(0), named("camera/video"));
        usher.seat(Pts::from_ticks(0), named("camera/small"));
        usher.seat(Pts::from_ticks(20), named("tower"));
        assert_eq!(at(10), ["camera/video", "camera/small"]);
        assert_eq!(at(20), ["camera/video", "camera/small", "tower"]);
        usher.dismiss("camera");
        usher.seat(Pts::from_ticks(40), named("camera/new"));
        usher.seat(Pts::from_ticks(40), named("gone"));
        usher.dismiss("gone");
        assert_eq!(at(30), ["tower"]);
        assert_eq!(at(40), ["tower", "camera/new"]);
        seats.finish();
        assert_eq!(
            *finished.lock().expect("nobody panicked"),
            ["camera/video", "camera/small", "tower", "camera/new"]
        );
    }
}
