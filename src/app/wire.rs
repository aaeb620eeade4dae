//! All rooms joined into one program: how it begins, what it is told meanwhile, and how it ends.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;
use tokio::time::{Interval, interval};

use super::address::{Reach, Scheme};
use super::config::{Config, ConfigError};
use super::https::{https, own_names};
use super::report::BoxReport;
use super::service;
use super::stage::Stage;
use super::streams::{BuildError, Kept};
use crate::base::{Chain, Clock};
use crate::observe;
use crate::serve::{BindError, ServeConfig, ServeStats, Server, Site, Writers};
use crate::sys::clock::RealClock;
use crate::sys::handed::{self, Handed};
use crate::sys::memory;

/// How often memory is given back, if there is any.
const TIDYING: Duration = Duration::from_secs(10);

/// How often it is looked whether the machine is reached otherwise.
const LOOK: Duration = Duration::from_secs(5);

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

impl Serving {
    /// How people reach what is served, and how over TLS.
    pub fn reached(self) -> (Reach, Option<Reach>) {
        (Reach::of(Scheme::Http, self.http), self.https.map(|https| Reach::of(Scheme::Https, https)))
    }
}

/// Where another configuration comes from while the program runs. Waits for the disk.
pub type Reread = Arc<dyn Fn() -> Result<Config, ConfigError> + Send + Sync>;

/// Serves everything in `config` until SIGINT or SIGTERM. Calls `serving` once it answers, with the addresses
/// it has got, and again whenever the machine is reached otherwise: networks come and go. With `reread`, SIGHUP has it
/// go over to what that gives then.
///
/// # Errors
/// If it cannot start, or if what it stands on fails for good.
pub fn run(config: Config, reread: Option<Reread>, serving: &dyn Fn(Serving)) -> Result<(), RunError> {
    allow_many_descriptors();
    let clock: Arc<dyn Clock> = Arc::new(RealClock);
    let Handed { listeners, others } = handed::take().map_err(RunError::Handed)?;
    let serve = Arc::new(ServeStats::default());
    let report = Arc::new(BoxReport::new(serve.clone(), clock.clone()));
    let site = Site { stations: Vec::new(), report: Arc::clone(&report) as _, stats: serve.clone() };
    let server = Server::take(&serve_config(&config), listeners, site)?;
    let addresses = Serving { http: server.local_addr(), https: server.https_addr() };

    // One thread serves: an idle box has one to wake, and no request ever waits for a lock another holds.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let outcome = runtime.block_on(async {
        let mut stage = Stage::new(&config, Kept::of(others), clock, server.board(), Arc::clone(&report));
        stage.play(config).await?;
        let (mut ending, mut renewal) = (Ending::new()?, Renewal::new(reread)?);
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
                let reread = tokio::select! {
                    () = ending.told() => break,
                    reread = renewal.told() => reread,
                    () = moves.told() => {
                        serving(addresses);
                        continue;
                    }
                    ended = stage.ended() => {
                        failure = Some(ended);
                        break;
                    }
                };
                observe::service::reloading();
                tokio::select! {
                    () = ending.told() => break,
                    outcome = reload(&mut stage, &report, reread) => if let Err(error) = outcome {
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
        stage.close().await;
        served?;
        failure.map_or(Ok(()), Err)
    });
    // An SD card that takes seconds for a write does not keep the program from ending.
    runtime.shutdown_background();
    outcome
}

/// Goes over to another configuration, if it can be. Says what that changed, or why it is not taken.
async fn reload(stage: &mut Stage, report: &BoxReport, reread: Reread) -> Result<(), RunError> {
    let read = tokio::task::spawn_blocking(move || reread()).await.map_err(io::Error::from)?;
    let why = match read {
        Err(error) => Chain(&error).to_string(),
        Ok(config) => match stage.play(config).await {
            Ok(change) => {
                tracing::info!("the new configuration holds: {change}");
                if !change.later.is_empty() {
                    let keys = change.later.join(", ");
                    tracing::warn!("what it says of {keys} needs a restart, and is as it was until then");
                }
                report.refused.store(None);
                return Ok(());
            }
            Err(RunError::Build(error)) => Chain(&error).to_string(),
            Err(error) => return Err(error),
        },
    };
    // What is wrong stands in the first line; those behind it show the place.
    let why = why.lines().next().unwrap_or_default();
    tracing::error!("the new configuration is not taken, all goes on as before: {why}");
    report.refused.store(Some(Arc::new(why.to_owned())));
    Ok(())
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

/// That there is another configuration, where there can be.
struct Renewal(Option<(Signal, Reread)>);

impl Renewal {
    fn new(reread: Option<Reread>) -> io::Result<Self> {
        let hangup = reread.map(|reread| Ok::<_, io::Error>((signal(SignalKind::hangup())?, reread)));
        hangup.transpose().map(Self)
    }

    async fn told(&mut self) -> Reread {
        let Some((hangup, reread)) = &mut self.0 else { return std::future::pending().await };
        hangup.recv().await;
        Arc::clone(reread)
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
