//! The page in Chromium, as people with a phone meet it.

#[path = "../support/browser.rs"]
mod chromium;
#[allow(dead_code, unreachable_pub)]
#[path = "../support/card.rs"]
mod card;
#[allow(dead_code)]
#[path = "../support/machine.rs"]
mod machine;
#[path = "../support/outpost.rs"]
mod outpost_program;
#[allow(dead_code)]
#[path = "../support/players.rs"]
mod players;
#[allow(dead_code, unreachable_pub)]
#[path = "../support/pulse.rs"]
mod pulse;
#[path = "../support/website.rs"]
mod website;

mod breaks;
mod camera;
mod clip;
mod closed;
mod dates;
mod eye;
mod files;
mod found;
mod gaps;
mod heard;
mod libraries;
mod lost;
mod quick;
mod radio;
mod seek;

use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::{Mutex, MutexGuard};

/// Two cores carry one browser that decodes pictures, and no second one.
static BROWSER: Mutex<()> = Mutex::const_new(());

/// A debug build, a browser starting cold, and two cores for both.
const PATIENCE: Duration = Duration::from_secs(20);
/// After this at the latest, whoever was listening hears a server that died and came back.
const RETURN: Duration = Duration::from_secs(30);

const PLAYS: &str = "return document.documentElement.dataset.state === 'playing'";

/// Waits until no other test of this file has a browser.
async fn alone() -> MutexGuard<'static, ()> {
    BROWSER.lock().await
}

/// A folder that goes with the test, after what was opened later: the program, the browser.
struct Folder(PathBuf);

impl Folder {
    fn new(path: PathBuf) -> Self {
        std::fs::create_dir_all(&path).expect("room for a folder");
        Self(path)
    }
}

impl Deref for Folder {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// In memory where there is some: what a browser fetches goes through a cache in its profile, and a disk that takes its time
/// would be heard.
fn temporary(name: &str) -> Folder {
    let memory = Path::new("/dev/shm");
    let place = if memory.is_dir() { memory } else { Path::new(env!("CARGO_TARGET_TMPDIR")) };
    Folder::new(place.join(format!("outpost-browser-{}-{name}", std::process::id())))
}

/// Not in the target folder: VLC runs as `nobody`, who cannot enter a home.
fn for_players(name: &str) -> Folder {
    Folder::new(std::env::temp_dir().join(format!("outpost-{name}-{}", std::process::id())))
}
