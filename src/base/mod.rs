//! What every room stands on: time, clocks, stopping, waiting again, meters, filters, chance, error chains, words
//! nearly right.
//!
//! Belongs here: small types without a word of audio, video, HLS or HTTP in them.
//! Does not: anything that opens a device or a socket.

pub mod backoff;
pub mod clock;
pub mod error;
pub mod filter;
pub mod meter;
pub mod near;
pub mod pulse;
pub mod random;
pub mod stop;
pub mod time;

pub use backoff::Backoff;
pub use clock::{Clock, SimClock, Sync, WallReading};
pub use error::Chain;
pub use meter::{Counter, Gauge};
pub use pulse::Pulse;
pub use random::Random;
pub use stop::Stop;
pub use time::{Monotonic, Pts, Span, WallTime};
