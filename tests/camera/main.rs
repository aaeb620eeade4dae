//! The whole program with pictures, judged from outside.

#[path = "../support/outpost.rs"]
mod outpost_program;
#[allow(unreachable_pub)]
#[path = "../support/card.rs"]
mod card;
#[allow(dead_code)]
#[path = "../stream/http.rs"]
mod http;
#[allow(dead_code)]
#[path = "../stream/station.rs"]
mod station;

mod eye;

/// Held by who needs most of the machine, and by who cannot do without some of it.
static MACHINE: std::sync::Mutex<()> = std::sync::Mutex::new(());

mod commands;
mod ending;
mod exact;
mod ladder;
mod moved;
mod overload;
mod pauses;
mod snapshot;
