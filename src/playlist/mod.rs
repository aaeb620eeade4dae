//! Playlists as text (RFC 8216, section 4; rfc8216bis where it says more), and what may be asked of them.
//!
//! Belongs here: tags, in what order they stand, and the directives of a request. Does not: what is in the
//! window, or HTTP.

pub mod media;
pub mod multivariant;
pub mod query;
pub mod reload;
pub mod style;
pub mod tag;

pub use media::{covered, extent, media, recording};
pub use multivariant::{Group, Resolution, Variant, multivariant};
pub use query::{Directives, Piece, QueryError, parameter};
pub use reload::{Verdict, judge};
pub use style::{Extent, Format, Latency, Report, Skip, Style};
