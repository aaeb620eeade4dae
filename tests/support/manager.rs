//! Runs the program as systemd does: its port is open while it is not there, and its windows are kept.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::outpost_program::{fetch, free_address};

/// systemd's part, played by `tests/support/manager.py`, and the program; both end when dropped.
pub(crate) struct Manager {
    child: Child,
    says: BufReader<ChildStdout>,
    pub(crate) address: SocketAddr,
    /// The program's.
    pub(crate) pid: Pid,
    log: PathBuf,
}

impl Manager {
    /// Runs the program with this configuration. What it writes stands in `place`: its `state`, its `log`.
    pub(crate) fn start(place: &Path, config: &Path) -> Self {
        let (address, log) = (free_address(), place.join("log"));
        let mut child = Command::new("python3")
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/manager.py"))
            .arg(place.join("notify"))
            .args([&address.ip().to_string(), &address.port().to_string()])
            .args([env!("CARGO_BIN_EXE_outpost"), "run", "--listen", &address.to_string()])
            .arg(config)
            .env("STATE_DIRECTORY", place.join("state"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(fs::File::create(&log).expect("a log"))
            .spawn()
            .expect("python3 starts");
        let says = BufReader::new(child.stdout.take().expect("its output"));
        let mut manager = Self { child, says, address, pid: Pid::from_raw(0), log };
        manager.begun();
        manager
    }

    /// What it says until something that begins so; that last.
    pub(crate) fn hear_until(&mut self, wanted: &str) -> Vec<String> {
        let mut heard: Vec<String> = Vec::new();
        while heard.last().is_none_or(|last| !last.starts_with(wanted)) {
            let mut line = String::new();
            let len = self.says.read_line(&mut line).expect("text");
            assert!(len > 0, "it ended after {heard:?}:\n{}", self.log());
            heard.push(line.trim_end().to_owned());
        }
        heard
    }

    /// Waits until the program is started.
    fn begun(&mut self) {
        let heard = self.hear_until("started ");
        let pid = heard.last().and_then(|it| it.rsplit(' ').next()?.parse().ok());
        self.pid = Pid::from_raw(pid.expect("a process"));
    }

    /// Ends the program, which is started anew, and says for how long nobody was answered who asked for `path`.
    pub(crate) fn restart(&mut self, signal: Signal, path: &str) -> Duration {
        kill(self.pid, signal).expect("it runs");
        self.hear_until("ended");
        let since = Instant::now();
        self.begun();
        self.bytes(path);
        since.elapsed()
    }

    /// What was kept for the program until now is lost.
    pub(crate) fn lose(&mut self) {
        let stdin = self.child.stdin.as_mut().expect("it is open");
        stdin.write_all(b"lose\n").expect("it reads");
        self.hear_until("lost");
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.address)
    }

    pub(crate) fn playlist(&self, path: &str) -> String {
        fetch(&self.url(&format!("{path}index.m3u8")))
            .unwrap_or_else(|error| panic!("{path}: {error}\n{}", self.log()))
    }

    pub(crate) fn bytes(&self, path: &str) -> Vec<u8> {
        self.try_bytes(path).unwrap_or_else(|error| panic!("{path}: {error}\n{}", self.log()))
    }

    pub(crate) fn try_bytes(&self, path: &str) -> Result<Vec<u8>, String> {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--fail", "--max-time", "10", &self.url(path)]);
        let got = curl.output().expect("curl runs");
        if got.status.success() {
            Ok(got.stdout)
        } else {
            Err(String::from_utf8_lossy(&got.stderr).into_owned())
        }
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}
