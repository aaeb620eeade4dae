//! Crowds of players over loopback: the program has one core, and they, in this process, have another.
//!
//! They do what players do: ask for the playlist as its kind wants it asked for, and fetch what is new in it. What they
//! get they count and drop. When it was due is what the dates in the playlist say.

mod connection;
mod listeners;
mod told;
mod viewers;

use std::cell::RefCell;
use std::collections::HashMap;
use std::error::Error;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::rc::Rc;
use std::thread::available_parallelism;
use std::time::{Duration, SystemTime};

use tokio::task::LocalSet;
use tokio::time::{Instant, sleep, sleep_until};

use self::connection::{Connection, Scratch};
use self::told::{Place, Shared, Told};
use crate::outpost::Outpost;
use crate::process;
use crate::table::Row;

/// How long the program runs before anyone comes: then its windows of 12 s are full, and what has left them is gone.
const SETTLING: Duration = Duration::from_secs(24);
/// How long the members of a crowd take to come, one after the other.
const COMING: Duration = Duration::from_secs(5);
/// How long something may still be under way in the end, before it counts as never come.
const AFTERWARDS: Duration = Duration::from_secs(3);
/// Open files besides the crowd's connections, in either process.
const OTHER_FILES: u64 = 100;

/// What both crowds find.
pub(crate) fn rows(dir: &Path) -> Result<Vec<Row>, Box<dyn Error>> {
    let mut rows = viewers::rows(dir)?;
    rows.extend(listeners::rows(dir)?);
    Ok(rows)
}

/// Seconds since 1970, as the playlist counts them.
fn now() -> f64 {
    SystemTime::UNIX_EPOCH.elapsed().map_or(f64::NAN, |since| since.as_secs_f64())
}

/// Who comes, and what for.
#[derive(Clone, Copy)]
struct Crowd {
    name: &'static str,
    members: usize,
    /// Of the media playlist.
    path: &'static str,
    configuration: &'static str,
    /// How long they are watched, once all are there.
    watched: Duration,
}

/// What all members of a crowd share.
struct Floor {
    crowd: Crowd,
    address: SocketAddr,
    scratch: Scratch,
    /// The playlist, read once for all who are told the same.
    shared: Shared,
    /// What came, and when; seconds since 1970.
    came: RefCell<Vec<(Place, f64)>>,
    faults: RefCell<Vec<String>>,
}

/// What a crowd went through, and what that cost the program.
struct Outcome {
    /// How long after it was due each piece was there, in seconds.
    delays: Vec<f64>,
    /// Pieces that did not come.
    missing: usize,
    told: Rc<Told>,
    /// Processor seconds per second.
    cpu: f64,
    /// KiB of the program's memory that each of the crowd took.
    each: f64,
}

impl Outcome {
    /// How many came later than `limit` seconds after they were due, or never; and of how many.
    fn late(&self, limit: f64) -> (usize, usize) {
        let late = self.delays.iter().filter(|delay| **delay > limit).count();
        (late + self.missing, self.delays.len() + self.missing)
    }

    /// Milliseconds that so many of a hundred stayed below.
    fn percentile(&self, percent: usize) -> f64 {
        let last = self.delays.len().saturating_sub(1);
        self.delays.get(last * percent / 100).map_or(f64::NAN, |delay| delay * 1e3)
    }
}

impl Crowd {
    /// Lets the crowd loose on a program with its configuration.
    fn run<F: Future<Output = io::Result<()>> + 'static>(
        self,
        dir: &Path,
        member: impl Fn(Rc<Floor>) -> F,
    ) -> Result<Outcome, Box<dyn Error>> {
        let seconds = (SETTLING + 2 * COMING + self.watched + AFTERWARDS).as_secs();
        eprintln!("{} {} on one core: {seconds} s", self.members, self.name);
        let allowed = crate::open_files()?;
        if allowed < self.members as u64 + OTHER_FILES {
            let members = self.members;
            return Err(format!(
                "{members} connections need as many open files, and {allowed} are allowed: raise `ulimit -Hn`"
            )
            .into());
        }
        let dir = dir.join(self.name);
        fs::create_dir_all(&dir)?;
        let configuration = dir.join("outpost.toml");
        fs::write(&configuration, self.configuration)?;
        let outpost = Outpost::start(&["run", &configuration.display().to_string()], &[], &dir);
        let pid = outpost.child.id();
        let _apart = Apart::pin(pid)?;

        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let local = LocalSet::new();
        local.block_on(&runtime, self.watch(pid, outpost.address, member))
    }

    async fn watch<F: Future<Output = io::Result<()>> + 'static>(
        self,
        pid: u32,
        address: SocketAddr,
        member: impl Fn(Rc<Floor>) -> F,
    ) -> Result<Outcome, Box<dyn Error>> {
        let half = SETTLING / 2;
        sleep(half).await;
        let cpu = process::cpu_seconds(pid);
        sleep(half).await;
        let alone = (process::cpu_seconds(pid) - cpu) / half.as_secs_f64();
        let memory = process::pss_kib(pid);

        let floor = Rc::new(Floor {
            crowd: self,
            address,
            scratch: connection::scratch(),
            shared: Shared::default(),
            came: RefCell::default(),
            faults: RefCell::default(),
        });
        let due = Rc::new(RefCell::new(HashMap::new()));
        tokio::task::spawn_local(floor.clone().reporting(observe(floor.clone(), due.clone())));
        let first = Instant::now();
        for number in 0..self.members {
            sleep_until(first + COMING * number as u32 / self.members as u32).await;
            tokio::task::spawn_local(floor.clone().reporting(member(floor.clone())));
        }
        // Whoever came last has begun by then.
        sleep(COMING).await;
        let (begin, spent, ours) =
            (now(), process::cpu_seconds(pid), process::cpu_seconds(std::process::id()));
        sleep(self.watched).await;
        let (end, cpu) = (now(), (process::cpu_seconds(pid) - spent) / self.watched.as_secs_f64());
        let ours = (process::cpu_seconds(std::process::id()) - ours) / self.watched.as_secs_f64();
        let each = (process::pss_kib(pid) - memory) / self.members as f64;
        sleep(AFTERWARDS).await;
        eprintln!(
            "    CPU per second: the program {:.0} ms (without them {:.0}), the crowd itself {:.0} ms",
            cpu * 1e3,
            alone * 1e3,
            ours * 1e3
        );

        if let Some(fault) = floor.faults.borrow().first() {
            return Err(format!("{} of {}: {fault}", floor.faults.borrow().len(), self.members).into());
        }
        let mut due = due.take();
        // What the stream itself leaves out is nobody's delay: how many were due, the table tells.
        due.retain(|_, due| (begin..end).contains(due));
        let came = floor.came.borrow();
        let delays = came.iter().filter_map(|(place, at)| Some(at - due.get(place)?));
        let mut delays: Vec<f64> = delays.collect();
        delays.sort_by(f64::total_cmp);
        if delays.is_empty() {
            return Err("nothing came".into());
        }
        let missing = (due.len() * self.members).saturating_sub(delays.len());
        let told = floor.shared.last().ok_or("no playlist was read")?;
        Ok(Outcome { delays, missing, told, cpu, each })
    }
}

impl Floor {
    async fn connect(&self) -> io::Result<Connection> {
        Connection::open(self.address, self.scratch.clone()).await
    }

    fn came(&self, place: Place) {
        self.came.borrow_mut().push((place, now()));
    }

    async fn reporting(self: Rc<Self>, work: impl Future<Output = io::Result<()>>) {
        if let Err(error) = work.await {
            self.faults.borrow_mut().push(error.to_string());
        }
    }
}

/// Reads the whole playlist now and again: only there each piece has its date.
async fn observe(floor: Rc<Floor>, due: Rc<RefCell<HashMap<Place, f64>>>) -> io::Result<()> {
    let mut connection = floor.connect().await?;
    loop {
        let body = connection.body(floor.crowd.path).await?;
        let told = Told::read(&told::text(&body)?);
        let pieces = if told.parts.is_empty() { &told.segments } else { &told.parts };
        due.borrow_mut().extend(pieces.iter().filter_map(|piece| Some((piece.place, piece.due?))));
        sleep(Duration::from_secs(1)).await;
    }
}

/// While it lives, the program has the first core, and this process the last.
struct Apart {
    last: usize,
}

impl Apart {
    fn pin(pid: u32) -> Result<Self, Box<dyn Error>> {
        let last = available_parallelism()?.get() - 1;
        if last == 0 {
            eprintln!("    this machine has but one core: the crowd takes its share of it");
        }
        pin(pid, "0")?;
        pin(std::process::id(), &last.to_string())?;
        Ok(Self { last })
    }
}

impl Drop for Apart {
    fn drop(&mut self) {
        // What cannot be undone costs the figures that follow some speed, and says so.
        if let Err(error) = pin(std::process::id(), &format!("0-{}", self.last)) {
            eprintln!("{error}");
        }
    }
}

/// Lets all threads of a process run on these cores only.
fn pin(pid: u32, cores: &str) -> Result<(), Box<dyn Error>> {
    let mut taskset = Command::new("taskset");
    let status = taskset.args(["-a", "-c", "-p", cores, &pid.to_string()]).stdout(Stdio::null()).status();
    let status = status.map_err(|error| format!("taskset (Debian: util-linux) does not run: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("taskset -c {cores}: {status}").into()) }
}
