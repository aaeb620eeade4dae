//! What the person meets: the configuration file, the command line, and the wiring of all rooms into
//! one program.
//!
//! Belongs here: reading what is wanted, saying what is so, starting and stopping. Does not: anything
//! that happens to sound between the card and the phone.

pub mod address;
mod change;
pub mod check;
pub mod cli;
pub mod config;
pub mod demo;
pub mod devices;
mod found;
mod gaps;
mod https;
pub mod network;
mod playing;
mod probe;
mod qr;
mod report;
mod running;
pub mod screen;
mod service;
mod sign;
mod stage;
mod streams;
mod threads;
mod watch;
pub mod wire;

pub use config::Config;
pub use wire::run;
