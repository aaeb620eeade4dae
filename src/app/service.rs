//! As a service: when it counts as started, and whether it still lives.

use std::time::Duration;

use tokio::sync::Notify;

use super::report::BoxReport;
use crate::observe::service;

/// How often it is looked whether all streams have begun.
const LOOK: Duration = Duration::from_millis(50);
/// A stream that has not begun by then is told as missing and no longer waited for: the others are there.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often the line in `systemctl status` is written anew, if it differs; and how often it is looked after life where
/// nobody says how often.
const PAUSE: Duration = Duration::from_secs(5);

/// Tells systemd when the streams can be played, and from then on that they can, for as long as that is so: what has
/// begun and then comes to a halt is a case for a restart. What never began is not, as a restart would not help it and
/// would disturb the others. When another configuration was read, which `renewed` tells, it is told again.
pub(super) async fn attend(report: &BoxReport, renewed: &Notify) {
    begun(report).await;
    service::ready();
    tokio::join!(live(report), tell(report, renewed));
}

/// Waits until the streams can be played, or have had their time.
async fn begun(report: &BoxReport) {
    let begun = report.clock.now();
    while !report.unbegun().is_empty() && report.clock.now().since(begun) < PATIENCE {
        tokio::time::sleep(LOOK).await;
    }
    let missing = report.unbegun();
    if !missing.is_empty() {
        tracing::warn!("served without what has not begun: {}", missing.join(", "));
    }
}

/// Says when another configuration holds, and its streams can be played; or that it is not taken.
async fn tell(report: &BoxReport, renewed: &Notify) {
    loop {
        renewed.notified().await;
        begun(report).await;
        service::status(&report.line());
        service::ready();
    }
}

async fn live(report: &BoxReport) {
    let mut pause = tokio::time::interval(service::watchdog().unwrap_or(PAUSE).min(PAUSE));
    let (mut said, mut well) = (String::new(), true);
    loop {
        pause.tick().await;
        let halted = report.halted();
        if halted.is_empty() {
            service::alive();
        } else if well {
            tracing::error!("no sign of life is given any more: {}", halted.join("; "));
        }
        well = halted.is_empty();
        let line = report.line();
        if line != said {
            service::status(&line);
            said = line;
        }
    }
}
