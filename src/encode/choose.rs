//! Which encoder is taken.

use super::VideoEncoder;

/// What encodes, and the sentence that says why.
pub struct Choice {
    /// It.
    pub encoder: Box<dyn VideoEncoder>,
    /// Why it and no other.
    pub why: String,
}
