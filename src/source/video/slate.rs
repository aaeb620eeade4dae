//! What is shown while a camera gives no picture: the stream's title, since when, and why.
//!
//! Belongs here: the words and how they are set. Does not: deciding when it is shown (`camera`).

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::draw::{Area, Colour, Text, fill};
use crate::base::{Monotonic, Sync, WallReading, WallTime};
use crate::media::{Picture, Size};
use crate::source::Signal;

const PAPER: Colour = Colour::rgb(18, 21, 27);
const TITLE: Colour = Colour::rgb(236, 238, 242);
const ACCENT: Colour = Colour::rgb(232, 163, 61);
const HEADLINE: Colour = Colour::rgb(196, 202, 212);
const CAUSE: Colour = Colour::rgb(128, 137, 152);

/// A picture that is drawn anew only when its words change.
pub(super) struct Slate {
    title: String,
    zone: TimeZone,
    words: Option<Words>,
    picture: Picture,
}

/// Everything that changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Words {
    signal: Signal,
    since: Since,
}

/// Since when there has been no picture, as finely as it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Since {
    /// A time of this day, to the minute.
    Today(DateTime),
    /// An earlier one.
    Before(DateTime),
    /// So many minutes: nobody knows what time it is.
    Minutes(u64),
}

impl Slate {
    /// A slate of `size` under `title`, which tells times as `zone` has them.
    pub(super) fn new(size: Size, title: &str, zone: TimeZone) -> Self {
        Self { title: title.to_owned(), zone, words: None, picture: Picture::black(size) }
    }

    /// The picture to be shown now, when the camera has been `signal` and has given no picture `since`.
    pub(super) fn show(&mut self, signal: Signal, since: Monotonic, now: WallReading) -> &Picture {
        let words = Words { signal, since: self.since(since, now) };
        if self.words != Some(words) {
            self.words = Some(words);
            self.draw(words);
        }
        &self.picture
    }

    fn since(&self, since: Monotonic, now: WallReading) -> Since {
        let local = |wall: WallTime| {
            let stamp = jiff::Timestamp::from_nanosecond(i128::from(wall.as_unix_nanos())).ok()?;
            let civil = self.zone.to_datetime(stamp);
            civil.with().second(0).subsec_nanosecond(0).build().ok()
        };
        match (now.sync, local(now.at(since)), local(now.wall)) {
            (Sync::Synchronised, Some(since), Some(now)) if since.date() == now.date() => Since::Today(since),
            (Sync::Synchronised, Some(since), Some(_)) => Since::Before(since),
            _ => Since::Minutes(now.monotonic.since(since).as_secs() / 60),
        }
    }

    fn draw(&mut self, words: Words) {
        let size = self.picture.size();
        let (width, height) = (size.width(), size.height());
        fill(&mut self.picture, Area { x: 0, y: 0, width, height }, PAPER);
        let unit = (width as f32 / 15.0).min(height as f32 / 8.5);
        let line = |text: &str, share: f32, least: f32| {
            Text::within(text, (unit * share).max(least).round(), width * 9 / 10)
        };
        let title = line(&self.title, 1.1, 18.0);
        let headline = line(&headline(words), 0.68, 14.0);
        let cause = line(cause(words.signal), 0.5, 12.0);
        let gap = (unit * 0.32).max(4.0) as usize;
        let bar = Area { x: 0, y: 0, width: (unit * 1.1) as usize, height: (unit * 0.07).max(2.0) as usize };

        let lines = [(&title, TITLE), (&headline, HEADLINE), (&cause, CAUSE)];
        let text = title.height() + headline.height() + cause.height() + gap / 3;
        let middle = |length: usize| (width.saturating_sub(length)) / 2;
        let mut y = height.saturating_sub(text + 2 * gap + bar.height) / 2;
        for (at, (text, ink)) in lines.into_iter().enumerate() {
            text.put(&mut self.picture, (middle(text.width()), y), ink, PAPER);
            y += text.height();
            y += match at {
                0 => {
                    fill(&mut self.picture, Area { x: middle(bar.width), y: y + gap, ..bar }, ACCENT);
                    2 * gap + bar.height
                }
                _ => gap / 3,
            };
        }
    }
}

fn headline(words: Words) -> String {
    match (words.signal, words.since) {
        (Signal::Starting, _) => "one moment, please".to_owned(),
        (_, Since::Today(at)) => format!("no picture since {}", at.strftime("%H:%M")),
        (_, Since::Before(at)) => format!("no picture since {}", at.strftime("%-d %B, %H:%M")),
        (_, Since::Minutes(0)) => "no picture".to_owned(),
        (_, Since::Minutes(minutes @ 1..60)) => format!("no picture for {minutes} min"),
        (_, Since::Minutes(minutes @ 60..2880)) => format!("no picture for {} h", minutes / 60),
        (_, Since::Minutes(minutes)) => format!("no picture for {} days", minutes / 1440),
    }
}

/// The cause as somebody who only looks at the stream should know it; the log tells the rest.
fn cause(signal: Signal) -> &'static str {
    match signal {
        Signal::Starting => "the camera is being opened",
        Signal::Live => "",
        Signal::NoDevice => "camera not plugged in",
        Signal::Busy => "another program has the camera",
        Signal::Stalled => "the camera has stopped sending",
        Signal::Failed => "the camera does not work as it should",
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const HOUR: u64 = 3600;

    fn reading(sync: Sync) -> WallReading {
        // 2023-11-14 22:13:20 UTC.
        let wall = WallTime::from_unix_nanos(1_700_000_000_000_000_000);
        let monotonic = Monotonic::from_nanos(1_000_000_000_000_000);
        WallReading { monotonic, wall, sync, suspended: Duration::ZERO }
    }

    #[test]
    fn the_headline_tells_since_when_as_well_as_it_can_be_known() {
        use crate::base::Sync::{Synchronised, Unsynchronised};
        let table = [
            (Signal::Starting, Synchronised, 0, "one moment, please"),
            (Signal::NoDevice, Synchronised, 0, "no picture since 22:13"),
            (Signal::NoDevice, Synchronised, 3 * HOUR, "no picture since 19:13"),
            (Signal::Stalled, Synchronised, 30 * HOUR, "no picture since 13 November, 16:13"),
            (Signal::NoDevice, Unsynchronised, 59, "no picture"),
            (Signal::NoDevice, Unsynchronised, 300, "no picture for 5 min"),
            (Signal::Busy, Unsynchronised, 3 * HOUR + 1, "no picture for 3 h"),
            (Signal::Failed, Unsynchronised, 72 * HOUR, "no picture for 3 days"),
        ];
        let slate = Slate::new(Size::new(64, 48).expect("a size"), "Pole", TimeZone::UTC);
        for (signal, sync, ago, text) in table {
            let now = reading(sync);
            let since = slate.since(now.monotonic - Duration::from_secs(ago), now);
            assert_eq!(headline(Words { signal, since }), text);
        }
        let sydney = TimeZone::fixed(jiff::tz::offset(11));
        let slate = Slate::new(Size::new(64, 48).expect("a size"), "Pole", sydney);
        let now = reading(Synchronised);
        let since = slate.since(now.monotonic, now);
        assert_eq!(headline(Words { signal: Signal::Busy, since }), "no picture since 09:13");
    }

    #[test]
    fn it_is_drawn_anew_only_when_its_words_change() {
        let mut slate = Slate::new(Size::new(320, 240).expect("a size"), "Pole", TimeZone::UTC);
        let now = reading(Sync::Synchronised);
        let luma = |picture: &Picture| picture.clone().planes_mut()[0].to_vec();
        let first = luma(slate.show(Signal::NoDevice, now.monotonic, now));
        // Whatever is put into it stays until then.
        slate.picture.planes_mut()[0].fill(77);
        let later = now.monotonic + Duration::from_secs(3_000);
        let later = WallReading { monotonic: later, wall: now.at(later), ..now };
        assert!(luma(slate.show(Signal::NoDevice, now.monotonic, later)).iter().all(|sample| *sample == 77));
        assert_ne!(luma(slate.show(Signal::Busy, now.monotonic, now))[0], 77);
        assert_eq!(luma(slate.show(Signal::NoDevice, now.monotonic, now)), first);
    }

    #[test]
    fn every_size_can_be_drawn_and_shows_every_line() {
        for (width, height) in [(16, 16), (16, 8192), (8192, 16), (160, 120), (320, 240), (1280, 720)] {
            let size = Size::new(width, height).expect("a size");
            let mut slate = Slate::new(size, "Pole by the old mill", TimeZone::UTC);
            let now = reading(Sync::Synchronised);
            let mut picture = slate.show(Signal::NoDevice, now.monotonic, now).clone();
            if width < 160 || height < 120 {
                continue;
            }
            let rows = picture.planes_mut()[0].chunks_exact(size.width());
            let inked: Vec<bool> = rows.map(|row| row.iter().any(|sample| *sample > 60)).collect();
            let lines = inked.chunk_by(|a, b| a == b).filter(|run| run[0]).count();
            assert!((4..=6).contains(&lines), "{size}: {lines} lines and a bar, descenders aside");
        }
    }
}
