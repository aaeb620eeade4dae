//! A test machine that runs for a while, and does what it is told.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::outpost_program::free_address;

/// How long the machine may take to boot, the image being there.
const BOOT: Duration = Duration::from_secs(60);
/// Building the image from Debian's packages comes before the first boot, once.
const BUILD: Duration = Duration::from_secs(900);
/// How long a command may take that has nothing to wait for.
const PROMPT: Duration = Duration::from_secs(30);
/// Nothing runs longer than that, whatever happens out here.
const LIFE_SECONDS: &str = "300";

/// What the machine does all its life: a line in, what it has to say and its status out.
const OBEY: &str = "echo @ready; while read -r line; do sh -c \"$line\" </dev/null 2>&1; status=$?; echo; echo \"@$status\"; done";

/// Emulation keeps both processors busy: two machines at once would only slow each other down.
static TURN: Mutex<()> = Mutex::new(());

/// A running machine, switched off when dropped.
pub(crate) struct Machine {
    run: Child,
    orders: Option<ChildStdin>,
    words: Receiver<String>,
    complaints: Option<thread::JoinHandle<String>>,
    share: PathBuf,
    address: SocketAddr,
    _turn: MutexGuard<'static, ()>,
}

/// What a command said, and its status.
pub(crate) struct Outcome {
    pub(crate) status: i32,
    pub(crate) said: String,
}

impl Machine {
    /// Boots one whose `/share` is a folder with `outpost` in it. Others wait until it is dropped.
    pub(crate) fn boot(name: &str) -> Self {
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vm");
        make_image(&here);
        let share = std::env::temp_dir().join(format!("outpost-vm-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&share);
        fs::create_dir_all(&share).expect("a temporary folder");
        fs::copy(env!("CARGO_BIN_EXE_outpost"), share.join("outpost")).expect("a copy of the program");
        let address = free_address();
        let mut run = Command::new(here.join("run"))
            .args(["--seconds", LIFE_SECONDS, "--port", &address.port().to_string()])
            .arg("--share")
            .arg(&share)
            .args(["-c", OBEY])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("tests/vm/run starts");
        let orders = run.stdin.take();
        let (sender, words) = mpsc::channel();
        let said = BufReader::new(run.stdout.take().expect("a pipe"));
        thread::spawn(move || {
            for line in said.split(b'\n').map_while(Result::ok) {
                if sender.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                    break;
                }
            }
        });
        let mut complaining = run.stderr.take().expect("a pipe");
        let complaints = thread::spawn(move || {
            let mut complaints = Vec::new();
            let _ = complaining.read_to_end(&mut complaints);
            String::from_utf8_lossy(&complaints).into_owned()
        });
        let mut machine =
            Self { run, orders, words, complaints: Some(complaints), share, address, _turn: turn };
        machine.hear("to boot", "@ready", BOOT);
        machine
    }

    /// Where port 8080 in there is found out here.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The folder that stands in there as `/share`.
    pub(crate) fn share(&self) -> &Path {
        &self.share
    }

    /// Runs a line of shell, which must succeed: what it said. What goes on in the background must not speak.
    pub(crate) fn sh(&mut self, command: &str) -> String {
        let Outcome { status, said } = self.try_sh(command, PROMPT);
        assert_eq!(status, 0, "in the test machine: {command}\n{said}");
        said
    }

    /// Runs a line of shell that may fail, and take that long.
    pub(crate) fn try_sh(&mut self, command: &str, limit: Duration) -> Outcome {
        assert!(!command.contains('\n'), "one line at a time: {command}");
        let orders = self.orders.as_mut().expect("it takes orders until it is dropped");
        writeln!(orders, "{command}").expect("the machine takes orders");
        let (said, status) = self.hear(command, "@", limit);
        Outcome { status: status.parse().expect("a status"), said: said.trim_end().to_owned() }
    }

    /// The lines up to the one that begins with `end`, and the rest of that line.
    fn hear(&mut self, what: &str, end: &str, limit: Duration) -> (String, String) {
        let deadline = Instant::now() + limit;
        let mut said = String::new();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.words.recv_timeout(left) {
                Ok(line) => match line.strip_prefix(end) {
                    Some(rest) => return (said, rest.to_owned()),
                    None => writeln!(said, "{line}").expect("a string grows"),
                },
                Err(RecvTimeoutError::Timeout) => {
                    panic!("the test machine took longer than {limit:?} for: {what}\n{said}")
                }
                Err(RecvTimeoutError::Disconnected) => {
                    let complaints = self.complaints.take().and_then(|it| it.join().ok()).unwrap_or_default();
                    panic!("the test machine ended during: {what}\n{said}{complaints}")
                }
            }
        }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // tests/vm/run switches it off when it is asked to end.
        let asked = Command::new("kill").arg(self.run.id().to_string()).status();
        if !asked.is_ok_and(|kill| kill.success()) {
            let _ = self.run.kill();
        }
        let _ = self.run.wait();
        let _ = fs::remove_dir_all(&self.share);
    }
}

/// Builds the image if it is not there, with time of its own; what it says is heard while it works.
fn make_image(here: &Path) {
    let start = Instant::now();
    let mut image =
        Command::new(here.join("image")).stdout(Stdio::null()).spawn().expect("tests/vm/image starts");
    let status = loop {
        if let Some(status) = image.try_wait().expect("it can be waited for") {
            break status;
        }
        if start.elapsed() > BUILD {
            let _ = image.kill();
            panic!("the test machine was not built within {BUILD:?}");
        }
        thread::sleep(Duration::from_millis(20));
    };
    assert!(status.success(), "the test machine cannot be built: see above");
}
