//! One stream that runs, and the sources that streams share.

use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use arc_swap::ArcSwap;
use tokio::task::JoinSet;

use super::config::StreamConfig;
use super::gaps;
use super::report::StreamFigures;
use super::streams::{self, EventReading, Feed, LowReading, Reading};
use super::threads::Thread;
use super::wire::RunError;
use crate::base::{Clock, Pts, Stop};
use crate::keep;
use crate::pump::seats::{Guest, Seats, Usher, seats};
use crate::pump::weave::{self, Weaver};
use crate::ring::Reader;
use crate::serve::Access;

/// Threads that write files of streams which have ended, by their streams' names.
pub(super) type Writing = Vec<(String, Thread)>;

/// A stream that runs. Dropped, it ends.
pub(super) struct Running {
    figures: Arc<StreamFigures>,
    weavers: Vec<Thread>,
    /// Its serving side. They end when nothing comes any more.
    tasks: JoinSet<(String, io::Result<()>)>,
    /// What looks after its gaps, and has no end.
    gaps: JoinSet<()>,
    keep: Option<Kept>,
}

/// What writes its files.
struct Kept {
    wanted: Arc<ArcSwap<keep::Settings>>,
    thread: Thread,
}

impl Running {
    /// Begins a stream of these parts, beside what its sources do. To be called where tasks can be spawned.
    ///
    /// # Errors
    /// If the system refuses a thread or a descriptor.
    pub(super) fn begin(feed: Feed, weavers: Vec<Weaver>, clock: &Arc<dyn Clock>) -> io::Result<Self> {
        let Feed { figures, readings, low_latency, events, .. } = feed;
        let (mut tasks, mut gaps) = (JoinSet::new(), JoinSet::new());
        let names = figures.renditions.iter().map(|rendition| format!("{}/{}", figures.name, rendition.name));
        for (name, Reading { mut segmenter, ring }) in names.zip(readings) {
            let mut records = Reader::new(ring)?;
            tasks.spawn(async move { (name, segmenter.drive(&mut records).await) });
        }
        for LowReading { name, mut segmenter, ring } in low_latency {
            let mut units = Reader::new(ring)?;
            tasks.spawn(async move { (name, segmenter.drive(&mut units).await) });
        }
        for EventReading { mut scribe, ring } in events {
            let (name, mut events) = (figures.name.clone(), Reader::new(ring)?);
            tasks.spawn(async move { (name, scribe.drive(&mut events).await) });
        }
        let weave = |weaver| {
            Thread::spawn("weave", clock, move |_: &dyn Clock, stop: &Stop| weave::run(weaver, stop))
        };
        let weavers = weavers.into_iter().map(weave).collect::<io::Result<_>>()?;
        let figures = Arc::new(figures);
        gaps.spawn(gaps::attend(Arc::clone(&figures)));
        Ok(Self { figures, weavers, tasks, gaps, keep: None })
    }

    pub(super) fn name(&self) -> &str {
        &self.figures.name
    }

    pub(super) fn figures(&self) -> Arc<StreamFigures> {
        Arc::clone(&self.figures)
    }

    /// Takes what can change while it runs.
    pub(super) fn renew(&mut self, config: &StreamConfig, access: Access) {
        self.figures.station.renew(&config.title, access);
        let title = config.title.clone();
        self.figures = Arc::new(StreamFigures { title, ..StreamFigures::clone(&self.figures) });
    }

    /// Keeps it as configured from now on.
    ///
    /// # Errors
    /// If the system refuses a thread.
    pub(super) fn keep(
        &mut self,
        config: &StreamConfig,
        writing: &mut Writing,
        clock: &Arc<dyn Clock>,
    ) -> io::Result<()> {
        match (&config.keep, &self.keep) {
            (Some(settings), Some(kept)) => {
                kept.wanted.store(Arc::new(settings.clone()));
                return Ok(());
            }
            (None, _) => {
                self.put_down(writing);
                self.tell_kept(None);
            }
            (Some(settings), None) => {
                let wanted = Arc::new(ArcSwap::from_pointee(settings.clone()));
                let writer = streams::writer(config, &self.figures.station, &wanted);
                self.tell_kept(Some(writer.stats()));
                // One at a time in a folder: what was being written is finished first.
                let before: Vec<_> = writing.extract_if(.., |(name, _)| name == self.name()).collect();
                let work = move |clock: &dyn Clock, stop: &Stop| {
                    before.into_iter().for_each(|(_, thread)| thread.wait());
                    writer.run(clock, stop);
                };
                let thread = Thread::spawn(&format!("keep-{}", self.name()), clock, work)?;
                self.keep = Some(Kept { wanted, thread });
            }
        }
        Ok(())
    }

    fn tell_kept(&mut self, keep: Option<Arc<keep::KeepStats>>) {
        self.figures = Arc::new(StreamFigures { keep, ..StreamFigures::clone(&self.figures) });
    }

    /// No more is kept of it than there is now.
    fn put_down(&mut self, writing: &mut Writing) {
        if let Some(Kept { thread, .. }) = self.keep.take() {
            thread.stop();
            writing.push((self.name().to_owned(), thread));
        }
    }

    /// Tells it to end; its sources have been told. What is not listed by now will not be.
    pub(super) fn stop(&mut self, writing: &mut Writing) {
        self.tasks.abort_all();
        self.weavers.iter().for_each(Thread::stop);
        self.gaps.abort_all();
        self.put_down(writing);
    }

    /// Waits until it has ended.
    pub(super) async fn over(&mut self) {
        for weaver in &mut self.weavers {
            weaver.over().await;
        }
        while self.tasks.join_next().await.is_some() {}
    }

    /// That it has ended by itself, and why.
    pub(super) fn poll_ended(&mut self, context: &mut Context<'_>) -> Poll<RunError> {
        let Some(ended) = ready!(self.tasks.poll_join_next(context)) else { return Poll::Pending };
        Poll::Ready(match ended {
            Ok((_, Err(error))) => RunError::System(error),
            Ok((name, Ok(()))) => RunError::Ended(name),
            Err(error) => RunError::Ended(error.to_string()),
        })
    }
}

/// Sources of one kind that run, each with a thread of its own.
pub(super) struct Sources<K, F, G> {
    /// What their threads are called.
    name: &'static str,
    running: Vec<Source<K, F, G>>,
    /// How many there were so far.
    count: usize,
}

struct Source<K, F, G> {
    key: K,
    figures: F,
    usher: Usher<G>,
    thread: Thread,
}

impl<K: Clone + PartialEq, F: Clone, G: Guest + Send + 'static> Sources<K, F, G> {
    pub(super) fn new(name: &'static str) -> Self {
        Self { name, running: Vec::new(), count: 0 }
    }

    /// Those that run, and their figures.
    pub(super) fn known(&self) -> Vec<(K, F)> {
        self.running.iter().map(|it| (it.key.clone(), it.figures.clone())).collect()
    }

    /// Begins one.
    ///
    /// # Errors
    /// If the system refuses a thread.
    pub(super) fn begin(
        &mut self,
        key: K,
        figures: F,
        clock: &Arc<dyn Clock>,
        work: impl FnOnce(Seats<G>, &dyn Clock, &Stop) + Send + 'static,
    ) -> io::Result<()> {
        let (usher, seats) = seats();
        let name = format!("{}-{}", self.name, self.count);
        let thread = Thread::spawn(&name, clock, move |clock, stop| work(seats, clock, stop))?;
        self.count += 1;
        self.running.push(Source { key, figures, usher, thread });
        Ok(())
    }

    /// These have of the source what is captured at `since` or later.
    pub(super) fn seat(&self, key: Option<&K>, since: Pts, guests: impl IntoIterator<Item = G>) {
        if let Some(source) = self.running.iter().find(|it| Some(&it.key) == key) {
            guests.into_iter().for_each(|guest| source.usher.seat(since, guest));
        }
    }

    /// No source has anything for this stream any more.
    pub(super) fn dismiss(&self, stream: &str) {
        self.running.iter().for_each(|it| it.usher.dismiss(stream));
    }

    /// Tells those to end that `stays` says nothing for; gives them back.
    pub(super) fn retain(&mut self, stays: impl Fn(&K) -> bool) -> Vec<Thread> {
        let ending = self.running.extract_if(.., |it| !stays(&it.key));
        ending.map(|it| it.thread).inspect(Thread::stop).collect()
    }
}
