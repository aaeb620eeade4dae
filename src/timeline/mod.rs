//! What happened when: the markers of one stream.
//!
//! Belongs here: keeping them, in order and within bounds. Does not: finding out what happens (`detect`), or writing
//! it down for players (`playlist`) and programs (`serve`).

mod log;

pub use log::{Draft, Extent, Log, Refusal, Revision};
