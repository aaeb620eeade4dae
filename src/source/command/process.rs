//! A program under way: its output, its last words, its end.

use std::fmt::Write as _;
use std::io::{self, ErrorKind, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::signal::{self, killpg};
use nix::sys::time::TimeSpec;
use nix::unistd::Pid;

use super::CommandLine;
use super::pace::Pacing;
use super::words::LastWords;
use crate::base::{Clock, Monotonic};
use crate::source::{Signal, SourceError};
use crate::sys::clock::RealClock;
use crate::sys::pipe;

/// Between SIGTERM and SIGKILL.
const GRACE: Duration = Duration::from_secs(2);
/// How long a process that has been killed may take to be gone; more means that the kernel holds it.
const BURIAL: Duration = Duration::from_secs(1);
/// How long a program that is started again is waited for to end; almost all have in a moment.
const HANDOVER: Duration = Duration::from_millis(300);
/// How long a program may take to end after it has closed its output.
const FAREWELL: Duration = Duration::from_millis(200);
/// Its words are read so often at most, and so much of them: whoever talks more waits for us.
const WORDS_EVERY: Duration = Duration::from_millis(10);
const WORDS_BYTES: usize = 4096;

/// What one read of a program's output brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Output {
    /// So many bytes.
    Bytes(usize),
    /// None are there.
    Empty,
    /// No more will come.
    End,
}

/// What to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Await {
    /// Output, or the time.
    Output,
    /// The time alone.
    Time,
}

/// A program with all that it started: they are ended together when this is dropped.
pub(super) struct Process {
    name: String,
    /// `None` only while it is dropped.
    child: Option<Child>,
    stdout: Option<ChildStdout>,
    stderr: Option<ChildStderr>,
    /// Bytes that fit in the pipe.
    capacity: usize,
    words: LastWords,
    /// When its words may be read again.
    words_due: Monotonic,
    ending: Arc<Ending>,
}

impl Process {
    /// Starts a program. Its pipe is to hold `capacity` bytes, if the system allows it.
    pub(super) fn start(
        command: &CommandLine,
        capacity: usize,
        ending: &Arc<Ending>,
    ) -> Result<Self, SourceError> {
        let name = command.to_string();
        if !ending.is_over_within(HANDOVER) {
            return Err(SourceError {
                signal: Signal::Busy,
                device: name,
                problem: "it is still ending from the last time".to_owned(),
                remedy: "it is started again as soon as it has".to_owned(),
            });
        }
        let refused = |error: io::Error| refused(&name, &error);
        let mut child = Command::new(command.program())
            .args(command.arguments())
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(refused)?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let mut process = Self {
            child: Some(child),
            stdout,
            stderr,
            capacity,
            words: LastWords::default(),
            words_due: RealClock.now(),
            ending: ending.clone(),
            name,
        };
        process.prepare().map_err(|error| refused_pipes(&process.name, &error))?;
        Ok(process)
    }

    fn prepare(&mut self) -> io::Result<()> {
        for fd in
            self.stdout.as_ref().map(AsFd::as_fd).into_iter().chain(self.stderr.as_ref().map(AsFd::as_fd))
        {
            let flags = OFlag::from_bits_retain(fcntl(fd, FcntlArg::F_GETFL)?);
            fcntl(fd, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
        }
        if let Some(stdout) = &self.stdout {
            // A user's pipes together may be limited: then it stays as it is.
            let _ = fcntl(stdout, FcntlArg::F_SETPIPE_SZ(i32::try_from(self.capacity).unwrap_or(i32::MAX)));
            self.capacity = usize::try_from(fcntl(stdout, FcntlArg::F_GETPIPE_SZ)?).unwrap_or(0);
        }
        Ok(())
    }

    /// The command, for messages.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// How many bytes of output can be read at once.
    pub(super) fn waiting(&self) -> usize {
        self.stdout.as_ref().map_or(0, |stdout| pipe::waiting(stdout.as_fd()))
    }

    /// Whether the program waits for us to read, if `taken` bytes have just been read. A full pipe may look
    /// emptier than it is by half, as its pages need not be full.
    pub(super) fn pacing(&self, taken: usize) -> Pacing {
        if taken + self.waiting() >= self.capacity / 2 { Pacing::Reader } else { Pacing::Program }
    }

    /// Waits until `deadline`, or until there is output if that is awaited, and says whether there is. What the
    /// program says meanwhile is heard.
    pub(super) fn wait(&mut self, what: Await, deadline: Monotonic) -> Result<bool, SourceError> {
        loop {
            let now = RealClock.now();
            let listen = now >= self.words_due;
            let until = if listen { deadline } else { deadline.min(self.words_due) };
            let output = self.stdout.as_ref().filter(|_| what == Await::Output).map(AsFd::as_fd);
            let words = self.stderr.as_ref().filter(|_| listen).map(AsFd::as_fd);
            let [has_output, has_words] = poll([output, words], until.since(now))
                .map_err(|error| self.error("its output cannot be waited for", &error))?;
            if has_words {
                self.listen();
            }
            if has_output || RealClock.now() >= deadline {
                return Ok(has_output);
            }
        }
    }

    /// Reads output that is there.
    pub(super) fn read(&mut self, into: &mut [u8]) -> Result<Output, SourceError> {
        let Some(stdout) = &mut self.stdout else { return Ok(Output::End) };
        loop {
            return match stdout.read(into) {
                Ok(0) => Ok(Output::End),
                Ok(count) => Ok(Output::Bytes(count)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(Output::Empty),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => Err(self.error("its output cannot be read", &error)),
            };
        }
    }

    /// Hears some of what the program says.
    fn listen(&mut self) {
        let mut bytes = [0; WORDS_BYTES];
        match self.stderr.as_mut().map(|stderr| stderr.read(&mut bytes)) {
            Some(Ok(count @ 1..)) => self.words.hear(&bytes[..count]),
            Some(Err(error)) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            _ => self.stderr = None,
        }
        self.words_due = RealClock.now() + WORDS_EVERY;
    }

    fn error(&self, problem: &str, error: &dyn std::fmt::Display) -> SourceError {
        SourceError {
            signal: Signal::Failed,
            device: self.name.clone(),
            problem: format!("{problem} ({error})"),
            remedy: "it is started again".to_owned(),
        }
    }

    /// The program's output has ended: says what became of it, and its last words.
    pub(super) fn epitaph(&mut self) -> SourceError {
        let status = self.await_exit(FAREWELL);
        // What it said last may still lie in the pipe: no more than fits in one.
        for _ in 0..16 {
            if self.stderr.is_some() {
                self.listen();
            }
        }
        let (mut problem, remedy) = match status {
            None => ("it closed its output, but runs on".to_owned(), "it is ended and started again"),
            Some(status) => (ended(status), remedy(status)),
        };
        let said = self.words.tell();
        if !said.is_empty() {
            let _ = write!(problem, ", saying \"{said}\"");
        }
        SourceError { signal: Signal::Failed, device: self.name.clone(), problem, remedy: remedy.to_owned() }
    }

    fn await_exit(&mut self, limit: Duration) -> Option<ExitStatus> {
        let child = self.child.as_mut()?;
        let end = Instant::now() + limit;
        loop {
            match child.try_wait() {
                Ok(None) if Instant::now() < end => thread::sleep(Duration::from_millis(2)),
                Ok(status) => return status,
                Err(_) => return None,
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // First the pipes: whoever waits to write into them learns that nobody reads.
        (self.stdout, self.stderr) = (None, None);
        if let Some(child) = self.child.take() {
            self.ending.begin(child, &self.name);
        }
    }
}

/// Waits for either; says which has something to be read, its end among that.
fn poll(fds: [Option<BorrowedFd<'_>>; 2], limit: Duration) -> io::Result<[bool; 2]> {
    let ask = |fd| PollFd::new(fd, PollFlags::POLLIN);
    Ok(match fds.map(|fd| fd.map(ask)) {
        [Some(first), Some(second)] => poll_all([first, second], limit)?,
        [Some(first), None] => [poll_all([first], limit)?[0], false],
        [None, Some(second)] => [false, poll_all([second], limit)?[0]],
        [None, None] => {
            poll_all([], limit)?;
            [false; 2]
        }
    })
}

fn poll_all<const N: usize>(mut fds: [PollFd<'_>; N], limit: Duration) -> io::Result<[bool; N]> {
    match ppoll(&mut fds, Some(TimeSpec::from_duration(limit)), None) {
        Ok(_) | Err(Errno::EINTR) => Ok(fds.map(|fd| fd.revents().is_some_and(|events| !events.is_empty()))),
        Err(error) => Err(error.into()),
    }
}

fn refused(name: &str, error: &io::Error) -> SourceError {
    let (signal, problem, remedy) = match error.kind() {
        ErrorKind::NotFound => (
            Signal::NoDevice,
            "there is no such program".to_owned(),
            "install it, or give its whole path if it is not in PATH",
        ),
        ErrorKind::PermissionDenied => (
            Signal::Failed,
            "it may not be run".to_owned(),
            "make it executable (chmod +x), for the user Outpost runs as too",
        ),
        _ => (
            Signal::Failed,
            format!("it cannot be started ({error})"),
            "run it by hand to see why, and look for what uses up the memory",
        ),
    };
    SourceError { signal, device: name.to_owned(), problem, remedy: remedy.to_owned() }
}

fn refused_pipes(name: &str, error: &io::Error) -> SourceError {
    SourceError {
        signal: Signal::Failed,
        device: name.to_owned(),
        problem: format!("its output cannot be set up for reading ({error})"),
        remedy: "it is started again".to_owned(),
    }
}

fn ended(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(0), _) => "it ended without an error".to_owned(),
        (Some(code), _) => format!("it ended with exit status {code}"),
        (None, Some(number)) => match signal::Signal::try_from(number) {
            Ok(name) => format!("it was ended by {name}"),
            Err(_) => format!("it was ended by signal {number}"),
        },
        (None, None) => "it ended".to_owned(),
    }
}

fn remedy(status: ExitStatus) -> &'static str {
    if status.success() {
        "it is started again, but should run for as long as the stream"
    } else {
        "it is started again; run it by hand to see what it lacks"
    }
}

/// The end of programs, which takes its time. It goes on in a thread of its own, so that a keeper can go on
/// too; whoever drops the last handle to this waits for it.
#[derive(Debug, Default)]
pub(super) struct Ending(Mutex<Option<JoinHandle<()>>>);

impl Ending {
    /// Waits for a program that was dropped to end; says whether it has.
    fn is_over_within(&self, limit: Duration) -> bool {
        let end = Instant::now() + limit;
        while self.is_under_way() {
            if Instant::now() >= end {
                return false;
            }
            thread::sleep(Duration::from_millis(2));
        }
        true
    }

    fn is_under_way(&self) -> bool {
        let mut thread = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let under_way = thread.as_ref().is_some_and(|thread| !thread.is_finished());
        if !under_way {
            *thread = None;
        }
        under_way
    }

    fn begin(&self, child: Child, name: &str) {
        let mut group = Group { child, name: name.to_owned(), gone: false };
        // At once: most programs have ended when the thread comes to look.
        group.send(signal::Signal::SIGTERM);
        // Without a thread the group is dropped, and killed by that.
        let spawned = thread::Builder::new().name("command-end".to_owned()).spawn(move || {
            group.is_gone_within(GRACE);
        });
        let mut thread = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *thread = spawned.ok();
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        let thread = self.0.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // It does not panic, and there is nothing to be done if it did.
            let _ = thread.join();
        }
    }
}

/// A child and all of its process group. The group keeps its number while anyone is left in it, and is not
/// spoken to afterwards.
struct Group {
    child: Child,
    name: String,
    gone: bool,
}

impl Group {
    /// Sends a signal, or asks with none; says whether there is anyone to receive it.
    fn send(&self, signal: impl Into<Option<signal::Signal>>) -> bool {
        let Ok(id) = i32::try_from(self.child.id()) else { return false };
        killpg(Pid::from_raw(id), signal).is_ok()
    }

    fn is_gone_within(&mut self, limit: Duration) -> bool {
        let end = Instant::now() + limit;
        let mut wait = Duration::from_millis(1);
        while !self.gone {
            // Reaped first: a child that has ended still counts as a member.
            let ended = !matches!(self.child.try_wait(), Ok(None));
            self.gone = ended && !self.send(None);
            if self.gone || Instant::now() >= end {
                break;
            }
            thread::sleep(wait);
            wait = (wait * 2).min(Duration::from_millis(20));
        }
        self.gone
    }
}

impl Drop for Group {
    /// Kills whoever is left.
    fn drop(&mut self) {
        if self.gone {
            return;
        }
        self.send(signal::Signal::SIGKILL);
        let program = &*self.name.clone();
        if self.is_gone_within(BURIAL) {
            tracing::info!(program, "it did not end when asked to, and was killed");
        } else {
            tracing::warn!(program, "killed, it is not gone: look in the kernel's log for what holds it");
        }
    }
}
