//! The windows that systemd keeps while the program is not running: which of them go on, and which are given up.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use super::rendition::longest_segment;
use crate::app::config::StreamConfig;
use crate::base::{Monotonic, Span};
use crate::observe::service;
use crate::segment::{Left, Numbering, Past, Store};
use crate::source::video::Coding;

/// Descriptors of windows are kept under this name and that of the rendition.
const NAME: &str = "window-";

/// What systemd has kept, by rendition.
#[derive(Default)]
pub(in crate::app) struct Kept(BTreeMap<String, OwnedFd>);

impl Kept {
    /// Of what was handed over. What is none of ours is closed.
    pub(in crate::app) fn of(handed: Vec<(String, OwnedFd)>) -> Self {
        let ours = |(name, kept): (String, OwnedFd)| Some((name.strip_prefix(NAME)?.to_owned(), kept));
        Self(handed.into_iter().filter_map(ours).collect())
    }

    /// The windows of a stream as it is configured now.
    pub(super) fn of_stream(
        &mut self,
        stream: &StreamConfig,
        coding: Option<Coding>,
        numbering: Numbering,
        now: Monotonic,
    ) -> Stores {
        let terms = terms(stream, coding, numbering);
        let prefix = format!("{}/", stream.name);
        let own = self.0.extract_if(.., |rendition, _| rendition.starts_with(&prefix));
        let (mut open, mut ended) = (BTreeMap::new(), BTreeMap::new());
        for (rendition, kept) in own {
            match Store::open(kept, &rendition, &terms, now) {
                Ok(Left::Same(store)) => {
                    open.insert(rendition, *store);
                    continue;
                }
                Ok(Left::Changed { past, before }) => {
                    tracing::warn!(
                        rendition,
                        "begins anew: the stream has changed: it was {before}, and is {terms}"
                    );
                    ended.extend(past.map(|past| (rendition.clone(), past)));
                }
                Err(why) => {
                    tracing::warn!(
                        rendition,
                        "begins anew: what the run before has left is of no use: {why}"
                    );
                }
            }
            service::forget(&name(&rendition));
        }
        Stores { open: open.into(), ended: ended.into(), taken: RefCell::default(), terms }
    }

    /// All streams have theirs: what nobody goes on with takes memory for nothing. Not before, as a program that cannot
    /// start leaves them to the next one.
    pub(super) fn give_up(&mut self) {
        std::mem::take(&mut self.0).keys().for_each(|rendition| service::forget(&name(rendition)));
    }
}

/// The windows of one stream.
pub(super) struct Stores {
    open: RefCell<BTreeMap<String, Store>>,
    /// What nobody goes on with, and can still be fetched.
    ended: RefCell<BTreeMap<String, Past>>,
    taken: RefCell<Taken>,
    terms: String,
}

/// The windows in which a stream is kept once it runs, by rendition: with their descriptors, those that systemd does not
/// keep yet.
pub(in crate::app) type Taken = Vec<(String, Option<OwnedFd>)>;

impl Stores {
    /// Calls `look` with what earlier runs have left.
    pub(super) fn look<T>(&self, look: impl FnOnce(&[&Store]) -> T) -> T {
        look(&self.open.borrow().values().collect::<Vec<_>>())
    }

    /// Where the window of a rendition is kept: what was left of it, or a new one. Where nobody would keep it, it is in
    /// no store.
    pub(super) fn take(&self, rendition: &str) -> Option<Store> {
        let take = |store, descriptor| {
            self.taken.borrow_mut().push((rendition.to_owned(), descriptor));
            Some(store)
        };
        if let Some(store) = self.open.borrow_mut().remove(rendition) {
            return take(store, None);
        }
        if !service::is_there() {
            return None;
        }
        let made = Store::new(rendition, &self.terms)
            .and_then(|store| Ok((store.descriptor().try_clone_to_owned()?, store)));
        match made {
            Ok((descriptor, store)) => {
                let ended = self.ended.borrow_mut().remove(rendition);
                take(store.beside(ended), Some(descriptor))
            }
            Err(error) => {
                lost(rendition, &error);
                None
            }
        }
    }

    /// All that were taken; the others are given up.
    pub(super) fn taken(&self) -> Taken {
        self.open.take().keys().for_each(|rendition| service::forget(&name(rendition)));
        self.taken.take()
    }
}

/// The windows of the streams that run, which systemd is to keep: by stream, those of its renditions.
#[derive(Default)]
pub(in crate::app) struct Windows(BTreeMap<String, Vec<String>>);

impl Windows {
    /// A stream runs in these, and not in those it ran in before it was changed.
    pub(in crate::app) fn keep(&mut self, stream: &str, taken: Taken) {
        for rendition in self.0.remove(stream).into_iter().flatten() {
            service::forget(&name(&rendition));
        }
        let keep = |(rendition, descriptor): (String, Option<OwnedFd>)| {
            if let Some(descriptor) = descriptor
                && let Err(error) = service::keep(&name(&rendition), descriptor.as_fd())
            {
                lost(&rendition, &error);
            }
            rendition
        };
        self.0.insert(stream.to_owned(), taken.into_iter().map(keep).collect());
    }

    /// Streams run no more, but for those.
    pub(in crate::app) fn forget_all_but(&mut self, run: impl Fn(&str) -> bool) {
        for rendition in self.0.extract_if(.., |stream, _| !run(stream)).flat_map(|(_, windows)| windows) {
            service::forget(&name(&rendition));
        }
    }
}

fn lost(rendition: &str, error: &io::Error) {
    tracing::warn!(rendition, %error, "its window will not outlast a restart");
}

fn name(rendition: &str) -> String {
    format!("{NAME}{rendition}")
}

/// What must be as it was for a playlist to go on: what never changes in one, which tracks there are, and what keys
/// are called. The rest may change at a discontinuity.
fn terms(stream: &StreamConfig, coding: Option<Coding>, numbering: Numbering) -> String {
    let seconds = |span: Span| format!("{} s", span.as_secs_f64());
    let pictures = coding.map(|coding| format!("pictures {coding:?}"));
    let sound =
        stream.audio.as_ref().map(|it| format!("sound {:?} {:?}", it.profile, it.channels.channels()));
    let numbers = match numbering {
        Numbering::Aligned(_) => "aligned",
        Numbering::Counted => "counted",
    };
    // How long parts are depends on how far pictures are apart.
    let rates: Vec<_> = stream.pictures().map(|(_, video)| (video.rate, &video.overload)).collect();
    let parts = stream.low_latency.as_ref().map(|it| format!("parts of {} {rates:?}", seconds(it.part.0)));
    let keys = stream.encryption.as_ref().map(|it| format!("keys of {}", it.rotate));
    let cut = [
        format!("segments of {}", seconds(stream.window.segment.0)),
        format!("at most {}", seconds(longest_segment(stream, coding))),
        numbers.to_owned(),
    ];
    cut.into_iter().chain(pictures).chain(sound).chain(parts).chain(keys).collect::<Vec<_>>().join(", ")
}
