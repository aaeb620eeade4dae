//! All rooms joined into one program: how it begins, what it is told meanwhile, and how it ends.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use std::{fs, io};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;
use tokio::time::{Interval, interval};

use super::address::{Reach, Scheme};
use super::config::{self, Config, ConfigError, Plugged};
use super::https::{https, own_names};
use super::playing::{Playing, refuse};
use super::report::BoxReport;
use super::service;
use super::stage::Stage;
use super::streams::{BuildError, Kept};
use super::watch::{News, Watch};
use crate::base::Clock;
use crate::observe;
use crate::serve::{BindError, ServeConfig, ServeStats, Server, Site, Writers};
use crate::sys::handed::{self, Handed};
use crate::sys::memory;

/// How often memory is given back, if there is any.
const TIDYING: Duration = Duration::from_secs(10);

/// How often it is looked whether the machine is reached otherwise.
const LOOK: Duration = Duration::from_secs(5);

/// Why Outpost could not run, or could not go on.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// There is no configuration to go by.
    #[error(transparent)]
    Config(#[from] ConfigError),
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

impl Serving {
    /// How people reach what is served, and how over TLS.
    pub fn reached(self) -> (Reach, Option<Reach>) {
        (Reach::of(Scheme::Http, self.http), self.https.map(|https| Reach::of(Scheme::Https, https)))
    }
}

/// Gives the configuration as it is now. Waits for the disk.
pub type Reread = Arc<dyn Fn() -> Result<Config, ConfigError> + Send + Sync>;

/// What the program goes by.
pub struct Orders {
    /// Gives the configuration.
    pub read: Reread,
    /// What the streams go by.
    pub clock: Arc<dyn Clock>,
    /// What SIGHUP means.
    pub hangup: Hangup,
    /// What holds where nobody is there to mend a configuration that cannot be; else it ends the program.
    pub unattended: Option<Unattended>,
}

/// What SIGHUP means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hangup {
    /// That whoever started the program has gone.
    Ends,
    /// That the configuration is to be read again.
    Rereads,
}

/// Nobody is there.
pub struct Unattended {
    /// The configuration: when it is written, it is read again.
    pub file: PathBuf,
    /// What holds until it can be taken.
    pub fallback: Config,
}

impl Orders {
    /// What holds instead, if a configuration is the cause of `error` and nobody is there.
    fn instead(&self, error: RunError, report: &BoxReport) -> Result<Config, RunError> {
        use RunError::{Bind, Build, Config};
        match (&self.unattended, &error) {
            (Some(Unattended { file, fallback }), Config(_) | Build(_) | Bind(_)) => {
                // Who guards a stream would not have it open to all because of a slip elsewhere.
                let guarded = fs::read(file).is_ok_and(|text| text.windows(6).any(|it| it == b"access"));
                let (plugged, meanwhile) = match guarded {
                    false => (Plugged::Streamed, ""),
                    true => (Plugged::LetBe, "; nothing is streamed until then, as its streams are guarded"),
                };
                let why = refuse(&error, meanwhile, report);
                tracing::error!("the configuration is not taken: {why}");
                Ok(config::Config { plugged, ..fallback.clone() })
            }
            _ => Err(error),
        }
    }
}

/// Serves what `orders` say until SIGINT or SIGTERM. Calls `serving` once it answers, with the addresses it has got,
/// and again whenever the machine is reached otherwise: networks come and go.
///
/// # Errors
/// If it cannot start, or if what it stands on fails for good.
pub fn run(orders: &Orders, serving: &dyn Fn(Serving)) -> Result<(), RunError> {
    allow_many_descriptors();
    let clock = Arc::clone(&orders.clock);
    let serve = Arc::new(ServeStats::default());
    let report = Arc::new(BoxReport::new(serve.clone(), clock.clone()));
    let mut config = (orders.read)().or_else(|error| orders.instead(error.into(), &report))?;
    let Handed { listeners, others } = handed::take().map_err(RunError::Handed)?;
    let bind = |config: &Config, listeners| {
        let site = Site { stations: Vec::new(), report: Arc::clone(&report) as _, stats: serve.clone() };
        Server::take(&serve_config(config), listeners, site)
    };
    let server = {
        let again = listeners.iter().map(TcpListener::try_clone).collect::<io::Result<_>>()?;
        bind(&config, listeners).or_else(|error| {
            config = orders.instead(error.into(), &report)?;
            bind(&config, again).map_err(RunError::from)
        })?
    };
    let addresses = Serving { http: server.local_addr(), https: server.https_addr() };

    // One thread serves: an idle box has one to wake, and no request ever waits for a lock another holds.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let outcome = runtime.block_on(async {
        let file = orders.unattended.as_ref().map(|it| it.file.clone());
        let mut watch = Watch::new(file, Arc::clone(&report));
        let stage = Stage::new(&config, Kept::of(others), clock, server.board(), Arc::clone(&report));
        let mut playing = Playing::new(stage, &config, Arc::clone(&report));
        if let Err(error) = playing.play(config).await {
            playing.play(orders.instead(error, &report)?).await?;
        }
        let (mut ending, mut hangup) = (Ending::new()?, hangup(orders.hangup)?);
        serving(addresses);
        let mut moves = Moves::of(addresses);

        let (told, renewed) = (Arc::clone(&report), Arc::new(Notify::new()));
        let news = Arc::clone(&renewed);
        tokio::spawn(async move { service::attend(&told, &news).await });
        let watched = Arc::clone(&report);
        tokio::spawn(async move { tidy(&serve, &watched).await });
        let mut failure = None;
        let stopping = async {
            loop {
                let news = tokio::select! {
                    () = ending.told() => break,
                    () = hung_up(&mut hangup) => {
                        observe::service::reloading();
                        watch.caught_up().await;
                        News::File
                    }
                    news = watch.news() => news,
                    () = moves.told() => {
                        serving(addresses);
                        continue;
                    }
                    ended = playing.ended() => {
                        failure = Some(ended);
                        break;
                    }
                };
                let change = async {
                    match news {
                        News::File => playing.reload(Arc::clone(&orders.read)).await,
                        News::Devices => playing.devices().await,
                    }
                };
                tokio::select! {
                    () = ending.told() => break,
                    outcome = change => if let Err(error) = outcome {
                        failure = Some(error);
                        break;
                    },
                }
                renewed.notify_one();
            }
            tracing::info!("stopping");
            observe::service::stopping();
        };
        let served = server.run(stopping).await;
        playing.close().await;
        served?;
        failure.map_or(Ok(()), Err)
    });
    // An SD card that takes seconds for a write does not keep the program from ending.
    runtime.shutdown_background();
    outcome
}

/// That the program is to end.
struct Ending {
    interrupt: Signal,
    terminate: Signal,
}

impl Ending {
    fn new() -> io::Result<Self> {
        let (interrupt, terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        Ok(Self { interrupt, terminate })
    }

    async fn told(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// SIGHUP, where it does not end the program.
fn hangup(means: Hangup) -> io::Result<Option<Signal>> {
    (means == Hangup::Rereads).then(|| signal(SignalKind::hangup())).transpose()
}

/// Waits until it comes.
async fn hung_up(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => drop(signal.recv().await),
        None => std::future::pending().await,
    }
}

/// That what is served is reached otherwise than before.
struct Moves {
    serving: Serving,
    known: (Reach, Option<Reach>),
    looks: Interval,
}

impl Moves {
    fn of(serving: Serving) -> Self {
        Self { serving, known: serving.reached(), looks: interval(LOOK) }
    }

    async fn told(&mut self) {
        loop {
            self.looks.tick().await;
            let now = self.serving.reached();
            if now != self.known {
                self.known = now;
                return;
            }
        }
    }
}

/// How the server is set up.
pub(super) fn serve_config(config: &Config) -> ServeConfig {
    ServeConfig {
        listen: config.listen.0,
        https: https(config),
        allowed_origin: config.allowed_origin.as_str().to_owned(),
        writers: writers(config),
        max_connections: config.connections.0,
        ..ServeConfig::default()
    }
}

/// Who may write by the API, and what this machine is called there.
fn writers(config: &Config) -> Writers {
    let configured = config.api.names.iter().map(|name| name.as_str().to_owned());
    Writers { token: config.api.token.clone(), names: own_names().into_iter().chain(configured).collect() }
}

/// When listeners have gone or fallen silent, gives back the memory they took; forgets what happened when nothing of it
/// can be fetched any more.
async fn tidy(serve: &ServeStats, report: &BoxReport) {
    let mut pause = interval(TIDYING);
    let mut gone = 0;
    loop {
        pause.tick().await;
        report.streams.load().iter().for_each(|stream| stream.station.forget());
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
