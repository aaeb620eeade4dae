//! All rooms joined into one program: which thread runs what, and how it ends.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::thread::JoinHandle;
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;

use super::config::Config;
use super::https::{https, own_names};
use super::report::BoxReport;
use super::streams::{self, BuildError, Card, EventReading, Feed, Kept, LowReading, Parts, Reading, Scene};
use super::{gaps, service};
use crate::base::{Clock, Stop};
use crate::keep::Writer;
use crate::observe;
use crate::pump::{self, weave::Weaver};
use crate::ring::Reader;
use crate::serve::{BindError, ServeConfig, ServeStats, Server, Site, Writers};
use crate::sys::clock::RealClock;
use crate::sys::handed::{self, Handed};
use crate::sys::memory;

/// How often memory is given back, if there is any.
const TIDYING: Duration = Duration::from_secs(10);

/// How long the program waits at its end for what is kept to be on its disk.
const LAST_WRITES: Duration = Duration::from_secs(5);

/// Why Outpost could not run, or could not go on.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A stream cannot be built as configured.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// The address cannot be served on.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// What systemd handed over cannot be taken.
    #[error(
        "the sockets handed over by systemd make no sense; see LISTEN_PID and LISTEN_FDS, or start without them"
    )]
    Handed(#[source] io::Error),
    /// The system refused a thread, a descriptor or a timer.
    #[error("cannot start: the system refuses what is needed; see `ulimit -a`")]
    System(#[from] io::Error),
    /// A rendition's capture side is gone although nobody stopped it.
    #[error("the stream {0} stopped by itself; please report this with the log before it")]
    Ended(String),
}

/// Where it is served, with the ports that were free where the configuration left them open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Serving {
    /// HTTP.
    pub http: SocketAddr,
    /// HTTPS, if there is any.
    pub https: Option<SocketAddr>,
}

/// Serves everything in `config` until SIGINT or SIGTERM. Calls `serving` once it answers, with the addresses
/// it has got.
///
/// # Errors
/// If it cannot start, or if what it stands on fails for good.
pub fn run(config: &Config, serving: &dyn Fn(Serving)) -> Result<(), RunError> {
    allow_many_descriptors();
    let clock: Arc<dyn Clock> = Arc::new(RealClock);
    let stop = Stop::new();
    let Handed { listeners, others } = handed::take().map_err(RunError::Handed)?;
    let Parts { cards, scenes, weavers, feeds } = streams::build(config, Kept::of(others), &clock)?;

    let serve = Arc::new(ServeStats::default());
    let stations = feeds.iter().map(|feed| Arc::clone(&feed.figures.station)).collect();
    let (mut figures, mut renditions) = (Vec::new(), Vec::new());
    let mut low_latency = Vec::new();
    let (mut told, mut kept) = (Vec::new(), Vec::new());
    for Feed { figures: stream, readings, low_latency: low, events, keep } in feeds {
        low_latency.extend(low);
        kept.extend(keep);
        told.extend(events.into_iter().map(|events| (stream.name.clone(), events)));
        let names = stream.renditions.iter().map(|rendition| format!("{}/{}", stream.name, rendition.name));
        renditions.extend(names.zip(readings));
        figures.push(stream);
    }
    let report = Arc::new(BoxReport {
        streams: figures,
        serve: serve.clone(),
        clock: clock.clone(),
        started: clock.now(),
    });
    let listen = ServeConfig {
        listen: config.listen.0,
        https: https(config),
        allowed_origin: config.allowed_origin.as_str().to_owned(),
        writers: writers(config),
        max_connections: config.connections.0,
        ..ServeConfig::default()
    };
    let site = Site { stations, report: Arc::clone(&report) as _, stats: serve.clone() };
    let server = Server::take(&listen, listeners, site)?;
    let addresses = Serving { http: server.local_addr(), https: server.https_addr() };

    // One thread serves: an idle box has one to wake, and no request ever waits for a lock another holds.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let outcome = runtime.block_on(async {
        let mut tasks = JoinSet::new();
        for (name, Reading { mut segmenter, ring }) in renditions {
            let mut records = Reader::new(ring)?;
            tasks.spawn(async move { (name, segmenter.drive(&mut records).await) });
        }
        for LowReading { name, mut segmenter, ring } in low_latency {
            let mut units = Reader::new(ring)?;
            tasks.spawn(async move { (name, segmenter.drive(&mut units).await) });
        }
        for (name, EventReading { mut scribe, ring }) in told {
            let mut events = Reader::new(ring)?;
            tasks.spawn(async move { (name, scribe.drive(&mut events).await) });
        }
        let (mut interrupt, mut terminate) =
            (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        let threads = Threads { clock: &clock, stop: &stop };
        let written = threads.keep(kept)?;
        let threads = threads.start(cards, scenes, weavers)?;
        serving(addresses);

        let (watched, told) = (Arc::clone(&report), Arc::clone(&report));
        tokio::spawn(async move { tidy(&serve, &report).await });
        tokio::spawn(async move { gaps::attend(&watched).await });
        tokio::spawn(async move { service::attend(&told).await });
        let mut ended = None;
        let stopping = async {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                Some(first) = tasks.join_next() => ended = Some(first),
            }
            tracing::info!("stopping");
            observe::service::stopping();
        };
        let served = server.run(stopping).await;
        stop.stop();
        for thread in threads {
            // A thread that panicked has said so itself.
            let _ = thread.join();
        }
        // What a disk has not taken by then is lost.
        let _ = written.recv_timeout(LAST_WRITES);
        served?;
        match ended {
            None => Ok(()),
            Some(Ok((_, Err(error)))) => Err(RunError::System(error)),
            Some(Ok((name, Ok(())))) => Err(RunError::Ended(name)),
            Some(Err(error)) => Err(RunError::Ended(error.to_string())),
        }
    });
    // An SD card that takes seconds for a write does not keep the program from ending.
    runtime.shutdown_background();
    outcome
}

/// Who may write by the API, and what this machine is called there.
fn writers(config: &Config) -> Writers {
    let configured = config.api.names.iter().map(|name| name.as_str().to_owned());
    Writers { token: config.api.token.clone(), names: own_names().into_iter().chain(configured).collect() }
}

/// When listeners have gone or fallen silent, gives back the memory they took; forgets what happened when nothing of it
/// can be fetched any more.
async fn tidy(serve: &ServeStats, report: &BoxReport) {
    let mut pause = tokio::time::interval(TIDYING);
    let mut gone = 0;
    loop {
        pause.tick().await;
        report.streams.iter().for_each(|stream| stream.station.forget());
        if std::mem::replace(&mut gone, serve.closed.get() + serve.rests.get()) != gone {
            memory::give_back();
        }
    }
}

/// Every listener takes a descriptor, and the usual limit of 1,024 is a soft one: lifts it as far as it goes.
fn allow_many_descriptors() {
    let lifted = getrlimit(Resource::RLIMIT_NOFILE)
        .and_then(|(_, hard)| setrlimit(Resource::RLIMIT_NOFILE, hard, hard));
    if let Err(error) = lifted {
        tracing::debug!(%error, "the limit of open files stays as it is");
    }
}

/// What every thread of the capture side needs.
struct Threads<'a> {
    clock: &'a Arc<dyn Clock>,
    stop: &'a Stop,
}

impl Threads<'_> {
    /// A thread for each card, each camera and each weaver; they end when stopped.
    fn start(
        &self,
        cards: Vec<Card>,
        scenes: Vec<Scene>,
        weavers: Vec<Weaver>,
    ) -> io::Result<Vec<JoinHandle<()>>> {
        let mut threads = Vec::new();
        for (number, Card { capture, streams }) in cards.into_iter().enumerate() {
            threads.push(self.spawn(format!("capture-{number}"), move |clock, stop| {
                pump::audio::run(capture, streams, clock, stop);
            })?);
        }
        for (number, Scene { camera, streams }) in scenes.into_iter().enumerate() {
            threads.push(self.spawn(format!("camera-{number}"), move |clock, stop| {
                pump::video::run(camera, streams, clock, stop);
            })?);
        }
        for (number, weaver) in weavers.into_iter().enumerate() {
            let weave = move |_: &dyn Clock, stop: &Stop| pump::weave::run(weaver, stop);
            threads.push(self.spawn(format!("weave-{number}"), weave)?);
        }
        Ok(threads)
    }

    /// A thread for each that writes files. When all have ended, what is given back is disconnected.
    fn keep(&self, writers: Vec<Writer>) -> io::Result<Receiver<Infallible>> {
        let (going, ended) = mpsc::channel();
        for writer in writers {
            let going = going.clone();
            self.spawn(format!("keep-{}", writer.stream()), move |clock, stop| {
                writer.run(clock, stop);
                drop(going);
            })?;
        }
        Ok(ended)
    }

    fn spawn(
        &self,
        name: String,
        work: impl FnOnce(&dyn Clock, &Stop) + Send + 'static,
    ) -> io::Result<JoinHandle<()>> {
        let (clock, stop) = (Arc::clone(self.clock), self.stop.clone());
        std::thread::Builder::new().name(name).spawn(move || work(&*clock, &stop))
    }
}
