//! The lock-free ring between the threads that make media and the tasks that serve it, and its bell.
//!
//! Belongs here: passing items from one producer to one consumer without either ever waiting for the
//! other. Does not: what the items are, or what to do when the ring is full (`pump::sink`).

mod audience;
mod bell;
mod reader;
pub mod spsc;
mod wait;

pub use audience::Audience;
pub use bell::{Consumer, Producer, channel};
pub use reader::{Reader, Supply};
pub use wait::wait;
