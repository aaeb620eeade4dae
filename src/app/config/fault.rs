//! What is wrong with a configuration, told so that it can be mended: file, line, key, remedy, and the
//! line itself with the place marked.

use std::fmt;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{keys, redact};

/// What the parser calls things, and what a person does.
const PLAIN: [(&str, &str); 9] = [
    (
        "data did not match any variant of untagged enum ControlValue",
        "expected a whole number, true or false, or an entry of the control's menu in quotes",
    ),
    ("wanted string or table", "this must be text, in quotes"),
    ("expected text", "expected text, in quotes"),
    ("expected a string", "expected text, in quotes"),
    ("expected path string", "expected text, in quotes"),
    ("expected u64", "expected a whole number, 0 or more"),
    ("invalid type: map, expected a sequence", "there can be several: write [[stream]], in two brackets"),
    ("invalid type: map", "invalid type: table"),
    ("expected struct ", "expected a table: "),
];

/// Something in a configuration file that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Fault {
    file: String,
    key: String,
    what: String,
    place: Option<Place>,
}

/// A part of one line.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    /// Counted from 1.
    line: usize,
    text: String,
    /// Where the part begins and how long it is, in characters.
    column: usize,
    len: usize,
}

/// A fault before it is known which file it is in.
#[derive(Debug)]
pub(in crate::app) struct Wrong {
    key: String,
    what: String,
    /// Bytes of the text.
    span: Option<Range<usize>>,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(place) = &self.place {
            write!(f, ":{}", place.line)?;
        }
        if !self.key.is_empty() {
            write!(f, ": {}", self.key)?;
        }
        write!(f, ": {}", self.what)?;
        if let Some(Place { line, text, column, len }) = &self.place {
            let margin = line.to_string().len();
            write!(f, "\n  {line} | {text}\n  {:margin$} | {:column$}{:^<len$}", "", "", "")?;
        }
        Ok(())
    }
}

impl Wrong {
    /// `what` is wrong with the value at `path`, a dotted path in which arrays are entered by number.
    /// Where the value is missing, the nearest table around it is shown.
    pub(in crate::app) fn at(path: &str, what: String, root: &Spanned<DeTable<'_>>) -> Self {
        let steps: Vec<&str> = path.split('.').collect();
        let key: Vec<&str> = steps.iter().copied().filter(|step| step.parse::<usize>().is_err()).collect();
        Self { key: key.join("."), what, span: locate(&steps, root.get_ref()) }
    }

    /// The text is not TOML.
    pub(in crate::app) fn syntax(error: &toml::de::Error) -> Self {
        let what = format!("this is not TOML: {}", error.message().replace('\n', ", "));
        Self { key: String::new(), what, span: error.span() }
    }

    /// A key or value that serde refused, in a file that can have the keys `all`.
    pub(in crate::app) fn value(error: &toml::de::Error, all: &[String]) -> Self {
        let message = error.message();
        let whole = error.to_string();
        let mut key: Vec<&str> =
            path(&whole, message).map(|path| path.split('.').collect()).unwrap_or_default();
        let names: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
        let what = match names.split_first() {
            Some((name, known)) if message.starts_with("unknown field") => {
                let table = key.iter().copied().filter(|step| step != name).collect::<Vec<_>>().join(".");
                if key.last() != Some(name) {
                    key.push(name);
                }
                format!("unknown key; {}", keys::advice(&table, name, known, all))
            }
            Some((name, known)) if message.starts_with("unknown variant") => {
                format!("{name:?} is not possible here; {}", keys::choice(name, known))
            }
            _ if key.iter().copied().any(redact::is_secretive) => plain(&redact::message(message)),
            _ => plain(message),
        };
        Self { key: key.join("."), what, span: error.span() }
    }

    /// Where in the text it is, in bytes, if that is known.
    pub(in crate::app) fn begins(&self) -> Option<usize> {
        self.span.as_ref().map(|span| span.start)
    }

    /// The fault as the person is told it, with `text` being what the file says.
    pub(in crate::app) fn in_file(self, file: &str, text: &str) -> Fault {
        let secretive = self.key.split('.').any(redact::is_secretive);
        let place = self.span.and_then(|span| Place::of(&span, text, secretive));
        Fault { file: file.to_owned(), key: self.key, what: self.what, place }
    }
}

/// The keys that lead to what is wrong. `toml` has them nowhere but at the end of the text of an error without input:
/// the message, and below it "in `stream.audio.rate`".
fn path<'a>(whole: &'a str, message: &str) -> Option<&'a str> {
    whole.strip_prefix(message)?.trim_end().strip_prefix("\nin `")?.strip_suffix('`')
}

/// What the parser says, in words for a person.
fn plain(message: &str) -> String {
    PLAIN.iter().fold(message.to_owned(), |text, (from, to)| text.replace(from, to))
}

impl Place {
    fn of(span: &Range<usize>, text: &str, secretive: bool) -> Option<Self> {
        let (before, from) = text.split_at_checked(span.start)?;
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let column = text.get(start..span.start)?.chars().count();
        let line = text.get(start..)?.lines().next().unwrap_or("");
        let secretive = secretive || redact::is_in_secretive_table(&before[..start]);
        let marked = from.get(..span.len()).unwrap_or(from).lines().next().unwrap_or("");
        Some(Self {
            line: before.matches('\n').count() + 1,
            // A tab is as wide as the terminal likes; one column keeps the mark below its place.
            text: redact::line(&line.replace(|c: char| c.is_control(), " "), secretive),
            column,
            len: marked.chars().count().max(1),
        })
    }
}

/// The span of the value the steps lead to, or of the last one on the way that is there.
fn locate(steps: &[&str], root: &DeTable<'_>) -> Option<Range<usize>> {
    let (first, rest) = steps.split_first()?;
    let mut value = root.get(*first)?;
    for step in rest {
        let next = match (value.get_ref(), step.parse::<usize>()) {
            (DeValue::Array(array), Ok(index)) => array.get(index),
            (DeValue::Table(table), _) => table.get(*step),
            _ => None,
        };
        let Some(next) = next else { break };
        value = next;
    }
    Some(value.span())
}
