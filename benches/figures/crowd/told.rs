//! What a media playlist tells a player.

use std::borrow::Cow;
use std::cell::RefCell;
use std::io::{self, Read};
use std::rc::Rc;

use flate2::read::GzDecoder;

/// A media sequence number, and the part of that segment if it is one: as our server names its files.
pub(super) type Place = (u64, Option<u64>);

/// A segment or a part.
pub(super) struct Piece {
    pub(super) place: Place,
    /// Its address, from the playlist's.
    pub(super) name: String,
    /// When all of it had happened, in seconds since 1970, where the playlist tells.
    pub(super) due: Option<f64>,
}

/// A media playlist, as far as it matters here. Times are in seconds.
#[derive(Default)]
pub(super) struct Told {
    pub(super) target: f64,
    pub(super) part_target: f64,
    pub(super) segments: Vec<Piece>,
    pub(super) parts: Vec<Piece>,
    /// The part that comes next.
    pub(super) hint: Option<Place>,
}

impl Told {
    pub(super) fn read(text: &str) -> Self {
        let mut told = Self::default();
        // When the segment begins, how long its parts are so far, and how long it is.
        let (mut start, mut parts, mut duration) = (None, 0.0, 0.0);
        for line in text.lines() {
            let (tag, value) = line.split_once(':').unwrap_or((line, ""));
            match tag {
                "#EXT-X-TARGETDURATION" => told.target = number(value),
                "#EXT-X-PART-INF" => told.part_target = number(attribute(value, "PART-TARGET=")),
                "#EXT-X-PROGRAM-DATE-TIME" => {
                    let date = value.parse::<jiff::Timestamp>().ok();
                    start = date.map(|date| date.as_duration().as_secs_f64());
                }
                "#EXTINF" => duration = number(value.trim_end_matches(',')),
                "#EXT-X-PART" => {
                    parts += number(attribute(value, "DURATION="));
                    told.parts.extend(piece(attribute(value, "URI="), start.map(|start| start + parts)));
                }
                "#EXT-X-PRELOAD-HINT" => told.hint = place(attribute(value, "URI=")),
                name if !name.starts_with('#') => {
                    start = start.map(|start| start + duration);
                    parts = 0.0;
                    told.segments.extend(piece(line, start));
                }
                _ => {}
            }
        }
        told
    }
}

fn piece(name: &str, due: Option<f64>) -> Option<Piece> {
    Some(Piece { place: place(name)?, name: name.to_owned(), due })
}

/// `7.ts` is segment 7, `7.2.m4s` its third part.
fn place(name: &str) -> Option<Place> {
    let mut words = name.split('.');
    let number = words.next()?.parse().ok()?;
    Some((number, words.next().and_then(|part| part.parse().ok())))
}

fn attribute<'a>(list: &'a str, name: &str) -> &'a str {
    let value = list.split(',').find_map(|attribute| attribute.strip_prefix(name));
    value.unwrap_or_default().trim_matches('"')
}

fn number(text: &str) -> f64 {
    text.parse().unwrap_or(f64::NAN)
}

/// The text of a body that may be compressed.
pub(super) fn text(body: &[u8]) -> io::Result<Cow<'_, str>> {
    if !body.starts_with(&[0x1F, 0x8B]) {
        return Ok(String::from_utf8_lossy(body));
    }
    let mut text = String::new();
    GzDecoder::new(body).read_to_string(&mut text)?;
    Ok(text.into())
}

/// The last playlist anybody read: many are told the same bytes, and a real player has a machine of its own to read it.
#[derive(Default)]
pub(super) struct Shared(RefCell<Option<(Vec<u8>, Rc<Told>)>>);

impl Shared {
    pub(super) fn read(&self, body: Vec<u8>) -> io::Result<Rc<Told>> {
        if let Some((known, told)) = &*self.0.borrow()
            && *known == body
        {
            return Ok(told.clone());
        }
        let told = Rc::new(Told::read(&text(&body)?));
        self.0.replace(Some((body, told.clone())));
        Ok(told)
    }

    pub(super) fn last(&self) -> Option<Rc<Told>> {
        self.0.borrow().as_ref().map(|(_, told)| told.clone())
    }
}
