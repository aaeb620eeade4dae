//! The page in Chromium, as people with a phone meet it.

#[path = "../support/browser.rs"]
mod chromium;
#[allow(dead_code, unreachable_pub)]
#[path = "../support/card.rs"]
mod card;
#[allow(dead_code)]
#[path = "../support/machine.rs"]
mod machine;
#[path = "../support/manager.rs"]
mod manager;
#[path = "../support/outpost.rs"]
mod outpost_program;
#[allow(dead_code)]
#[path = "../support/players.rs"]
mod players;
#[allow(dead_code, unreachable_pub)]
#[path = "../support/pulse.rs"]
mod pulse;
#[allow(dead_code)]
#[path = "../support/tool.rs"]
mod tool;
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
mod restart;
mod seek;

use std::path::Path;
use std::time::Duration;

use tokio::sync::{Mutex, MutexGuard};

use crate::tool::Scratch;

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

/// Of the program. It goes with the test, after what was opened later. Not in the target folder: VLC runs as `nobody`, who
/// cannot enter a home.
fn temporary(name: &str) -> Scratch {
    Scratch::new(&format!("browser-{name}"))
}

/// Of a browser. Not in memory: what that has is Chromium's own, and Shaka was seen to stand still where it shared it.
fn profile(name: &str) -> Scratch {
    Scratch::under(Path::new(env!("CARGO_TARGET_TMPDIR")), &format!("profile-{name}"))
}
