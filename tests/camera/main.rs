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

mod commands;
mod ending;
mod exact;
mod overload;
mod pauses;
mod snapshot;
