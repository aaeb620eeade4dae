//! An emulated board with the card in it (`board/emulate`): switched on, told things, and its plug pulled.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::outpost_program::{fetch, free_address};

/// From power on to something playable, in emulation on two busy processors.
const START: Duration = Duration::from_secs(900);
/// How long a command may take that has nothing to wait for.
const PROMPT: Duration = Duration::from_secs(180);

/// How a board is switched on.
pub(crate) struct Switch<'a> {
    pub(crate) machine: &'a str,
    pub(crate) card: &'a Path,
    /// What is put on the first partition.
    pub(crate) files: &'a [&'a Path],
    /// More words for the kernel.
    pub(crate) append: &'a str,
    /// What its clock says when it is switched on, if not the time it is.
    pub(crate) rtc: Option<&'a str>,
}

/// A running board; its plug is pulled when it is dropped.
pub(crate) struct Board {
    emulation: Child,
    orders: ChildStdin,
    words: Receiver<String>,
    pub(crate) address: SocketAddr,
    console: PathBuf,
    pub(crate) since: Instant,
}

impl Board {
    pub(crate) fn start(image: &Path, switch: &Switch) -> Self {
        let address = free_address();
        let console = switch.card.with_extension("console");
        let mut emulate = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("board/emulate"));
        emulate.args(["--machine", switch.machine, "--port", &address.port().to_string()]);
        emulate.arg("--card").arg(switch.card).arg("--console").arg(&console);
        emulate.args(["--append", switch.append]);
        if let Some(rtc) = switch.rtc {
            emulate.args(["--rtc", rtc]);
        }
        for file in switch.files {
            emulate.arg("--put").arg(file);
        }
        let mut emulation = emulate
            .arg(image)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("board/emulate starts");
        let orders = emulation.stdin.take().expect("a pipe");
        let said = BufReader::new(emulation.stdout.take().expect("a pipe"));
        let (sender, words) = mpsc::channel();
        thread::spawn(move || {
            for line in said.split(b'\n').map_while(Result::ok) {
                if sender.send(String::from_utf8_lossy(&line).trim_end().to_owned()).is_err() {
                    break;
                }
            }
        });
        Self { emulation, orders, words, address, console, since: Instant::now() }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Waits until `playlist` lists a segment: how long that took since it was switched on.
    pub(crate) fn until_playable(&mut self, playlist: &str) -> Duration {
        let url = self.url(playlist);
        self.until(playlist, || fetch(&url).ok().filter(|it| it.contains("#EXTINF")));
        self.since.elapsed()
    }

    /// Polls until `found` finds something.
    pub(crate) fn until<T>(&mut self, what: &str, mut found: impl FnMut() -> Option<T>) -> T {
        let deadline = Instant::now() + START;
        loop {
            if let Some(found) = found() {
                return found;
            }
            let ended = self.emulation.try_wait().expect("it can be waited for");
            let told = || fs::read_to_string(&self.console).unwrap_or_default();
            assert!(ended.is_none(), "the emulation ended: {ended:?}\n{}", told());
            if Instant::now() > deadline {
                panic!("{what} did not come within {START:?}\n{}\n{}", told(), self.rest());
            }
            thread::sleep(Duration::from_millis(200));
        }
    }

    /// What it has said that nobody has heard.
    fn rest(&self) -> String {
        self.words.try_iter().collect::<Vec<_>>().join("\n")
    }

    /// Waits for the shell.
    pub(crate) fn until_told(&mut self) {
        let deadline = Instant::now() + START;
        loop {
            // Another one, which does not edit its lines.
            writeln!(self.orders, "exec sh\nstty -echo; PS1= PS2=; printf '\\n@%s\\n' ready")
                .expect("it takes orders");
            while let Ok(line) = self.words.recv_timeout(Duration::from_secs(3)) {
                if line.ends_with("@ready") {
                    // An earlier question may be answered later.
                    while self.words.recv_timeout(Duration::from_secs(1)).is_ok() {}
                    return;
                }
            }
            assert!(Instant::now() < deadline, "no shell within {START:?}");
        }
    }

    /// Runs a line of shell, which must succeed: what it said.
    pub(crate) fn sh(&mut self, command: &str) -> String {
        self.sh_within(command, PROMPT)
    }

    /// The same for one that takes its time.
    pub(crate) fn sh_within(&mut self, command: &str, limit: Duration) -> String {
        writeln!(self.orders, "({command}) 2>&1; printf '\\n@%s\\n' \"$?\"").expect("it takes orders");
        let deadline = Instant::now() + limit;
        let mut said = String::new();
        loop {
            match self.words.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => match line.strip_prefix('@') {
                    Some("0") => return said.trim().to_owned(),
                    Some(status) if status.parse::<u8>().is_ok() => {
                        panic!("{command}: status {status}\n{said}")
                    }
                    _ => writeln!(said, "{line}").expect("a string grows"),
                },
                Err(RecvTimeoutError::Timeout) => panic!("{command} took longer than {limit:?}\n{said}"),
                Err(RecvTimeoutError::Disconnected) => panic!("the board ended during {command}\n{said}"),
            }
        }
    }

    /// Runs a line of shell again and again until it says what is `wanted`.
    pub(crate) fn until_said(&mut self, command: &str, wanted: impl Fn(&str) -> bool) {
        let deadline = Instant::now() + PROMPT;
        loop {
            let said = self.sh(command);
            if wanted(&said) {
                return;
            }
            assert!(Instant::now() < deadline, "{command} still says {said:?} after {PROMPT:?}");
            thread::sleep(Duration::from_secs(1));
        }
    }

    /// The number that a line of shell prints.
    pub(crate) fn number(&mut self, command: &str) -> u64 {
        let said = self.sh(command);
        said.parse().unwrap_or_else(|_| panic!("{command}: {said:?} is no number"))
    }

    /// Its own account of itself.
    pub(crate) fn status(&self) -> Value {
        let text = fetch(&self.url("/api/v1/status")).expect("a status");
        serde_json::from_str(&text).expect("JSON")
    }

    /// What it logged since it was started; for who looks for a reason.
    pub(crate) fn journal(&mut self) -> String {
        self.sh("journalctl -b --no-pager -o cat -u outpost | tail -n 60")
    }
}

impl Drop for Board {
    /// The plug is pulled: nothing is told to shut down.
    fn drop(&mut self) {
        let asked = Command::new("kill").arg(self.emulation.id().to_string()).status();
        if !asked.is_ok_and(|kill| kill.success()) {
            let _ = self.emulation.kill();
        }
        let _ = self.emulation.wait();
    }
}
