//! The command line.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, CommandFactory, Parser, Subcommand};

use super::check::{self, Verdict};
use super::config::{Config, ConfigError, Length, Listen, PLACES};
use super::devices::Devices;
use super::found::Found;
use super::probe::Sources;
use super::screen::Screen;
use super::sign::{self, SignError};
use super::wire::{Hangup, Orders, RunError, Unattended};
use super::{demo, devices, network, wire};
use crate::base::{Chain, Clock};
use crate::observe::logs::{self, BadFilter, Detail};
use crate::source::alsa;
use crate::source::video::v4l2;
use crate::sys::clock::RealClock;

/// Live streaming from a small board: sound card and camera in, live HLS out, served from memory.
#[derive(Debug, Parser)]
#[command(name = "outpost", version, after_help = AFTER, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Tell in the log how things came about, too (RUST_LOG, if set, goes before it)
    #[arg(short, long, global = true)]
    verbose: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the streams of a configuration
    #[command(after_help = AFTER_RUN)]
    Run {
        /// The configuration [default: ./outpost.toml, else /etc/outpost/outpost.toml, else none]
        config: Option<PathBuf>,
        /// Serve even if the configuration is wrong or missing: stream what is plugged in, say on the page what is
        /// wrong, and read the file again when it is written
        #[arg(long)]
        unattended: bool,
        #[command(flatten)]
        serve: Serve,
    },
    /// Serve a scanner and a camera that aren't there: needs no device and no configuration
    #[command(after_help = AFTER_DEMO)]
    Demo {
        #[command(flatten)]
        serve: Serve,
    },
    /// Print an address of a stream that plays until it expires
    #[command(after_help = AFTER_SIGN)]
    Sign {
        /// The stream's name
        stream: String,
        /// How long it plays: 2h, 30min, "7d"
        #[arg(long = "for", value_name = "TIME")]
        length: Length,
        /// Where people reach the server: https://radio.example.org [default: this machine's address]
        #[arg(long, value_name = "URL")]
        base: Option<String>,
        /// The configuration [default: ./outpost.toml, else /etc/outpost/outpost.toml]
        #[arg(long)]
        config: Option<PathBuf>,
    },
    /// List what can be captured from, and what to call it in the configuration
    Devices {
        /// As JSON, for programs
        #[arg(long)]
        json: bool,
    },
    /// Say what a configuration would do, and show for a few seconds what its sources hear and see
    #[command(after_help = AFTER_CHECK)]
    Check {
        /// The configuration [default: ./outpost.toml, else /etc/outpost/outpost.toml]
        config: Option<PathBuf>,
    },
    /// Write what a card says of Wi-Fi, cable, host name and SSH keys for the programs that set these up
    #[command(after_help = AFTER_NETWORK)]
    Network {
        /// What somebody wrote: network.toml
        file: PathBuf,
        /// Where to write, instead of the root of the system
        #[arg(long, value_name = "DIR", default_value = "/")]
        root: PathBuf,
    },
}

#[derive(Debug, Args)]
struct Serve {
    /// Where to serve: 8080, 127.0.0.1:8080, [::]:80; a port alone means every address of the machine
    #[arg(long, value_name = "ADDR")]
    listen: Option<Listen>,
}

const AFTER: &str = "\
First steps:
  outpost demo                  try it without any device; open the address it prints
  outpost run                   stream what is plugged in: nothing need be configured
  outpost devices               find out what your sound card and camera are called
  outpost check scanner.toml    try a configuration (docs/scanner.toml, docs/camera.toml)
  outpost run scanner.toml      serve it

What is served, for a stream named radio:
  /                             the page, for people
  /radio/index.m3u8             HLS, for players (VLC, mpv, a phone)
  /radio/live.ts                the endless transport stream
  /camera/snapshot.jpg          the latest picture, of a stream that has pictures
  /healthz /metrics /api/v1/status

Without a file, the configuration is ./outpost.toml, else /etc/outpost/outpost.toml;
`outpost run` does without one, too. docs/configuration.md describes every key.

Exit status: 0 all is well, 1 it failed, 2 the command or the configuration is wrong.";

const AFTER_RUN: &str = "\
Examples:
  outpost run
  outpost run scanner.toml --listen 9000
  outpost run --unattended /boot/firmware/outpost.toml

Where no stream is configured, every sound card and camera that is plugged in is streamed, now or later.

Ends with Ctrl-C or SIGTERM. SIGHUP (`systemctl reload outpost`) has it read the configuration again:
if it is in order, it holds from then on, and streams that it does not concern go on; if not, nothing
changes, and the log says why. listen, https and state_dir need a restart. In a terminal it ends with that.";

const AFTER_DEMO: &str = "\
Examples:
  outpost demo
  outpost demo --listen 127.0.0.1:9000     for this machine alone

It prints the address to open, with a QR code for the phone. Ends with Ctrl-C.";

const AFTER_SIGN: &str = "\
Examples:
  outpost sign radio --for 2h
  outpost sign radio --for 7d --base https://radio.example.org

The stream needs a token, in [stream.access]. The address plays in every player, and stops when its time is over;
docs/access.md tells how a website makes such addresses itself.";

const AFTER_CHECK: &str = "\
Example:
  outpost check scanner.toml

Exit status: 0 every source delivers (if only silence), 1 one does not, 2 the configuration is wrong.";

const AFTER_NETWORK: &str = "\
Example:
  outpost network /boot/firmware/network.toml

For the start of a box, before systemd-networkd and wpa_supplicant. It writes, below /run:
  systemd/network/10-wired.network                  by cable: DHCP, or the address given
  systemd/network/20-wifi.network                   where there is Wi-Fi
  wpa_supplicant/wpa_supplicant-wlan0.conf          the same
  outpost-network/hostname
  outpost-network/authorized_keys
  outpost-network.problem                           what is wrong with the file, a line each

Exit status: 0 whatever the file is: what can be taken of it is, and there is always a network by cable.";

/// Why a command did not do what it was asked.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Logs(#[from] BadFilter),
    #[error(transparent)]
    Sign(#[from] SignError),
    #[error(transparent)]
    Run(#[from] RunError),
    /// The reason has been told already.
    #[error("")]
    Told,
    #[error("cannot write to standard output")]
    Output(#[from] io::Error),
}

/// The command line as clap knows it: what man pages and the completions of shells are made of.
pub fn command() -> clap::Command {
    Cli::command()
}

/// Does what the command line says. To be called once, by `main`.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let failure = match obey(cli) {
        Ok(()) => return ExitCode::SUCCESS,
        // Whoever reads our output has read enough (`outpost devices | head -1`).
        Err(Failure::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            return ExitCode::SUCCESS;
        }
        Err(failure) => failure,
    };
    if !matches!(failure, Failure::Told) {
        complain(&Chain(&failure));
    }
    match failure {
        Failure::Config(_) | Failure::Logs(_) | Failure::Sign(_) | Failure::Run(RunError::Config(_)) => {
            ExitCode::from(2)
        }
        Failure::Run(_) | Failure::Told | Failure::Output(_) => ExitCode::FAILURE,
    }
}

fn obey(cli: Cli) -> Result<(), Failure> {
    let logs = logs::init(if cli.verbose { Detail::Verbose } else { Detail::Usual });
    match (&cli.command, logs) {
        // There must be a network all the same, and streams where nobody is there to mend it.
        (Command::Network { .. } | Command::Run { unattended: true, .. }, Err(bad)) => complain(&bad),
        (_, logs) => logs?,
    }
    let mut out = io::stdout();
    match cli.command {
        Command::Run { config, unattended, serve } => {
            wire::run(&orders(config, unattended, serve.listen), &|serving| {
                let (reach, secured) = serving.reached();
                tracing::info!(address = reach.best(), "serving");
                if let Some(secured) = secured {
                    tracing::info!(address = secured.best(), "serving over TLS");
                }
            })?;
        }
        Command::Demo { serve } => {
            let config = demo::config(serve.listen.unwrap_or(Listen::everywhere(8080)));
            let read = Arc::new(move || Ok(config.clone()));
            let clock = Arc::new(RealClock);
            wire::run(&Orders { read, clock, hangup: Hangup::Ends, unattended: None }, &|serving| {
                let (reach, secured) = serving.reached();
                let banner = demo::banner(&reach, secured.as_ref(), Screen::ours());
                // Nobody reads it: the demo goes on all the same.
                let _ = write!(io::stdout(), "{banner}");
            })?;
        }
        Command::Sign { stream, length, base, config } => {
            let config = Config::load(&file(config)?)?;
            writeln!(
                out,
                "{}",
                sign::address(&config, &stream, length, base.as_deref(), RealClock.wall().wall)?
            )?;
        }
        Command::Devices { json } => {
            let found = Devices { sound: alsa::list(), cameras: v4l2::list() };
            out.write_all(if json { devices::json(&found) } else { devices::table(&found) }.as_bytes())?;
        }
        Command::Check { config } => {
            let path = file(config)?;
            let mut config = Config::load(&path)?;
            if config.streams.is_empty() {
                writeln!(out, "No stream is configured: what is plugged in is streamed.")?;
                config.streams = Found::now().streams().0;
            }
            let mut probe = Sources::new(&config.streams);
            let verdict =
                check::check(&config, &path.display().to_string(), &mut probe, &mut out, Screen::ours())?;
            if verdict == Verdict::Trouble {
                return Err(Failure::Told);
            }
        }
        Command::Network { file, root } => {
            for problem in network::set_up(&file, &root) {
                complain(&problem);
            }
        }
    }
    Ok(out.flush()?)
}

/// Says what is wrong. If even that cannot be told, what is done, or the status, must do.
fn complain(what: &dyn Display) {
    let _ = writeln!(io::stderr(), "outpost: {what}");
}

/// What `outpost run` goes by. Without a file that is named or lies where we look, nothing is configured.
fn orders(named: Option<PathBuf>, unattended: bool, listen: Option<Listen>) -> Orders {
    let at = move |config: Config| Config { listen: listen.unwrap_or(config.listen), ..config };
    let file = named.clone().unwrap_or_else(|| PathBuf::from(PLACES[PLACES.len() - 1]));
    let read = move || match &named {
        Some(path) => Config::load(path).map(at),
        None => {
            Config::find(&PLACES).map_or_else(|_| Ok(Config::nothing()), |path| Config::load(&path)).map(at)
        }
    };
    Orders {
        read: Arc::new(read),
        clock: Arc::new(RealClock),
        // Of a terminal it means that whoever started the program has gone.
        hangup: if io::stdin().is_terminal() { Hangup::Ends } else { Hangup::Rereads },
        unattended: unattended.then(|| Unattended { file, fallback: at(Config::nothing()) }),
    }
}

fn file(named: Option<PathBuf>) -> Result<PathBuf, ConfigError> {
    named.map_or_else(|| Config::find(&PLACES), Ok)
}
