//! Markers: what is said about a stretch of a stream's time.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::base::Pts;

/// The longest word that names a kind.
const KIND_LEN: usize = 32;

/// What sort of thing a marker tells of: ours, or a word of another program's.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MarkerKind(Cow<'static, str>);

impl MarkerKind {
    /// Somebody speaks.
    pub const TRANSMISSION: Self = Self(Cow::Borrowed("transmission"));
    /// Something moves.
    pub const MOTION: Self = Self(Cow::Borrowed("motion"));
    /// How the receiver is.
    pub const HEALTH: Self = Self(Cow::Borrowed("health"));
    /// Media were lost.
    pub const GAP: Self = Self(Cow::Borrowed("gap"));
    /// Those that only we set.
    pub const OURS: [Self; 4] = [Self::TRANSMISSION, Self::MOTION, Self::HEALTH, Self::GAP];

    /// Whether only we set it.
    pub fn is_ours(&self) -> bool {
        Self::OURS.contains(self)
    }

    /// The word.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for MarkerKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let letter = |byte: u8| byte.is_ascii_lowercase();
        let good = text.len() <= KIND_LEN
            && text.bytes().next().is_some_and(letter)
            && text.bytes().all(|byte| letter(byte) || byte.is_ascii_digit() || byte == b'-');
        if !good {
            return Err(format!(
                "a kind is a word of at most {KIND_LEN} small letters, digits and -, the first a letter, as \"door\""
            ));
        }
        let ours = Self::OURS.into_iter().find(|kind| kind.as_str() == text);
        Ok(ours.unwrap_or_else(|| Self(Cow::Owned(text.to_owned()))))
    }
}

impl fmt::Display for MarkerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Names a marker: never two, not after a restart either.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MarkerId {
    text: Arc<str>,
    count: u64,
}

impl MarkerId {
    /// The `count`th of a run of the program that nothing but chance tells from others.
    pub fn new(run: u64, count: u64) -> Self {
        Self { text: format!("{run:x}-{count}").into(), count }
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for MarkerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// What people read of a marker: one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label(Arc<str>);

impl Label {
    /// The longest, in characters.
    pub const LEN: usize = 200;

    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Label {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.trim() {
            "" => Err("a label cannot be empty; leave it out".to_owned()),
            line if line.chars().count() > Self::LEN => {
                Err(format!("a label has at most {} characters", Self::LEN))
            }
            line if line.chars().any(ends_line) => Err("a label is one line of text".to_owned()),
            line => Ok(Self(line.into())),
        }
    }
}

/// Whether a character is none of a line of text, for whoever may read it: JavaScript takes U+2028 and U+2029 for ends
/// of lines, and so do players written in it.
pub fn ends_line(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')
}

/// What is said about a stretch of time, or about an instant.
#[derive(Clone, Debug, PartialEq)]
pub struct Marker {
    /// Its name.
    pub id: MarkerId,
    /// What it tells of.
    pub kind: MarkerKind,
    /// Where it begins.
    pub from: Pts,
    /// Where it ends, which for an instant is where it begins; `None` while it goes on.
    pub to: Option<Pts>,
    /// How loud it was, in dBFS.
    pub level: Option<f32>,
    /// What people read.
    pub label: Option<Label>,
    /// How often something that had been told of it was told otherwise.
    pub edition: u32,
}

/// Names what playlists tell of a marker: what is told of one name never changes, it only grows (rfc8216bis, 4.4.5.1).
#[derive(Clone, Copy, Debug)]
pub struct RangeId<'a>(&'a Marker);

impl fmt::Display for RangeId<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Marker { id, edition: 0, .. } => write!(f, "{id}"),
            Marker { id, edition, .. } => write!(f, "{id}.{edition}"),
        }
    }
}

impl Marker {
    /// The name of it in playlists.
    pub fn range(&self) -> RangeId<'_> {
        RangeId(self)
    }

    /// The same, of which other things are told from now on.
    pub fn amended(&self, to: Option<Pts>, level: Option<f32>, label: Option<Label>) -> Self {
        let otherwise = self.to.is_some_and(|known| to != Some(known))
            || self.level.is_some_and(|known| level != Some(known))
            || self.label.as_ref().is_some_and(|known| label.as_ref() != Some(known));
        Self { to, level, label, edition: self.edition + u32::from(otherwise), ..self.clone() }
    }

    /// Where it stands among those of its stream: by its beginning, and by when it was set.
    pub fn place(&self) -> (Pts, u64) {
        (self.from, self.id.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_words() {
        for good in ["door", "motion", "decoder-2", "a"] {
            assert_eq!(good.parse::<MarkerKind>().expect(good).as_str(), good);
        }
        let long = "a".repeat(KIND_LEN + 1);
        for bad in ["", "Door", "2nd", "a_b", "é", "a b", &long] {
            assert!(bad.parse::<MarkerKind>().is_err(), "{bad:?}");
        }
        assert!("gap".parse::<MarkerKind>().expect("ours").is_ours());
    }

    #[test]
    fn labels_are_lines() {
        assert_eq!("  Türe auf ".parse::<Label>().expect("a line").as_str(), "Türe auf");
        let long = "é".repeat(Label::LEN);
        assert!(long.parse::<Label>().is_ok() && format!("{long}x").parse::<Label>().is_err());
        assert!(
            "a\nb".parse::<Label>().is_err()
                && "a\u{2028}b".parse::<Label>().is_err()
                && " ".parse::<Label>().is_err()
        );
    }
}
