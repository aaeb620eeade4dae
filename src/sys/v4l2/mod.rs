//! Video4Linux: asking a node what it can do, telling it what to do, and its memory-mapped buffers.
//!
//! Belongs here: the ioctls of single-planar capture, safely and without interpreting them. Does not: which
//! node, which format, what a picture is good for.
//!
//! The structs and request codes are those of the `v4l` crate. Its own calls are not used: they panic at
//! control types and colour spaces that are younger than the crate, at names that are not UTF-8, and when a
//! stream is dropped whose device has stopped answering.

mod call;
mod control;
mod format;
mod node;
mod queue;

use call::{Code, call, text, zeroed};
pub use control::{Control, ControlKind, control_id};
pub use format::{Accepted, FourCc, Interval, Intervals, PixelFormat, Range, Sizes, four_cc};
pub use node::{Capabilities, Node};
pub use queue::{Filled, Queue, Ready};
