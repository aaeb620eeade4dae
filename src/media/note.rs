//! Timed metadata: what is said about an instant of a stream, beside its sound and pictures.

/// A named text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    /// What the text is.
    pub name: &'a str,
    /// The text.
    pub text: &'a str,
}

impl Field<'_> {
    /// The name of civil time, whose text is RFC 3339 in UTC, with milliseconds.
    pub const WALL_TIME: &'static str = "wallclock";
    /// The name of a marker's name. The fields beside it are those of the list that programs get.
    pub const MARKER: &'static str = "marker";
}
