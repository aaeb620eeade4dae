//! The real program, started for a test and ended with it.

use std::ffi::OsString;
use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long the program may take until it serves; a debug build on a busy board is slow.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running `outpost`, killed when dropped.
pub(crate) struct Outpost {
    pub(crate) child: Child,
    pub(crate) address: SocketAddr,
    dir: PathBuf,
}

impl Outpost {
    /// Starts it with `arguments`, such as `["demo"]`, and these variables in its environment, on a free
    /// loopback port, and waits until it answers. Its state and its log stand in `dir`, which is made.
    pub(crate) fn start(arguments: &[&str], environment: &[(&str, OsString)], dir: &Path) -> Self {
        Self::start_at(free_address(), arguments, environment, dir)
    }

    /// The same at this address: that of one just dropped, to start it again.
    pub(crate) fn start_at(
        address: SocketAddr,
        arguments: &[&str],
        environment: &[(&str, OsString)],
        dir: &Path,
    ) -> Self {
        Self::start_by(Command::new(env!("CARGO_BIN_EXE_outpost")), address, arguments, environment, dir)
    }

    /// The same by a command of one's own, which goes before the arguments.
    pub(crate) fn start_by(
        mut command: Command,
        address: SocketAddr,
        arguments: &[&str],
        environment: &[(&str, OsString)],
        dir: &Path,
    ) -> Self {
        fs::create_dir_all(dir).expect("a folder for the program's state");
        let log = File::create(dir.join("outpost.log")).expect("a file for the program's log");
        let child = command
            .args(arguments)
            .args(["--listen", &address.to_string()])
            .env("STATE_DIRECTORY", dir)
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle of the log"))
            .stderr(log)
            .spawn()
            .expect("the program starts");
        let mut outpost = Self { child, address, dir: dir.to_owned() };
        outpost.wait_until_it_answers();
        outpost
    }

    /// The address of `path`, which begins with a slash.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn wait_until_it_answers(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        while fetch(&self.url("/healthz")).is_err() {
            let ended = self.child.try_wait().expect("the program can be waited for");
            let log = || fs::read_to_string(self.dir.join("outpost.log")).unwrap_or_default();
            assert!(ended.is_none(), "outpost ended ({ended:?}) before it served:\n{}", log());
            assert!(Instant::now() < deadline, "outpost does not answer after {PATIENCE:?}:\n{}", log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Outpost {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A loopback address nobody listens on.
pub(crate) fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("a bound address")
}

/// What stands at `url`, by curl.
///
/// # Errors
/// What curl says, if the answer is not a success.
pub(crate) fn fetch(url: &str) -> Result<String, String> {
    let curl = Command::new("curl")
        .args(["--silent", "--show-error", "--fail", "--max-time", "10", url])
        .output()
        .map_err(|error| format!("curl (Debian: curl) does not run: {error}"))?;
    if !curl.status.success() {
        return Err(String::from_utf8_lossy(&curl.stderr).into_owned());
    }
    String::from_utf8(curl.stdout).map_err(|error| format!("{url}: {error}"))
}
