//! Playlists as text (RFC 8216, section 4).
//!
//! Belongs here: tags, and in what order they stand. Does not: what is in the window, or HTTP.

pub mod media;
pub mod multivariant;
pub mod tag;

pub use media::media;
pub use multivariant::{Resolution, Variant, multivariant};
