//! The whole program with a real ALSA device, judged from outside.

#[path = "../support/outpost.rs"]
mod outpost_program;
#[allow(dead_code, unreachable_pub)]
#[path = "../support/pulse.rs"]
mod pulse;
#[allow(dead_code)]
#[path = "../support/tool.rs"]
mod tool;

mod ear;
mod http;
mod station;

mod clips;
mod enciphered;
mod endless;
mod heard;
mod hostile;
mod kept;
mod restart;
mod told;
mod trouble;
mod window;
mod wrong;
