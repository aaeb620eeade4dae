//! The whole program with devices of a real kernel, in a machine of their own. README.md tells about it.

#[allow(dead_code)]
#[path = "../stream/ear.rs"]
mod ear;
#[allow(dead_code)]
#[path = "../stream/http.rs"]
mod http;
#[allow(dead_code)]
#[path = "../support/outpost.rs"]
mod outpost_program;
#[allow(dead_code, unreachable_pub)]
#[path = "../support/pulse.rs"]
mod pulse;

mod camera;
mod eye;
mod machine;
mod m2m;
mod pictures;
mod sound;
mod station;
