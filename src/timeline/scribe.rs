//! What was heard and seen becomes markers.

use std::io;
use std::sync::Arc;

use super::{Draft, Log, Timeline};
use crate::base::Pts;
use crate::detect::{Event, Happening, Health};
use crate::media::marker::{Label, Marker, MarkerId, MarkerKind};
use crate::ring::{Reader, Supply};

/// Writes one stream's events into its timeline.
#[derive(Debug)]
pub struct Scribe {
    timeline: Arc<Timeline>,
    transmission: Option<Open>,
    motion: Option<Open>,
    ailment: Option<MarkerId>,
}

impl Scribe {
    /// With nothing to write yet.
    pub fn new(timeline: Arc<Timeline>) -> Self {
        Self { timeline, transmission: None, motion: None, ailment: None }
    }

    /// Writes what comes until nothing will.
    ///
    /// # Errors
    /// If waiting for events fails.
    pub async fn drive(&mut self, events: &mut Reader<Event>) -> io::Result<()> {
        while events.ready().await? == Supply::Open {
            let told = events.read();
            let count = told.len();
            told.iter().for_each(|event| self.write(*event));
            events.release(count);
        }
        Ok(())
    }

    /// Writes an event.
    pub fn write(&mut self, event: Event) {
        let Self { timeline, transmission, motion, ailment } = self;
        timeline.write(|log| match event {
            Event::Activity(Happening::Began { from }) => {
                *transmission = Some(begun(log, transmission.take(), MarkerKind::TRANSMISSION, from));
            }
            Event::Activity(Happening::Ended(it)) => {
                let id = ended(log, transmission.take(), MarkerKind::TRANSMISSION, it.from);
                let _gone = log.end_ours(&id, it.to, Some(it.level), None);
            }
            Event::Motion(Happening::Began { from }) => {
                *motion = Some(begun(log, motion.take(), MarkerKind::MOTION, from));
            }
            Event::Motion(Happening::Ended(it)) => {
                let id = ended(log, motion.take(), MarkerKind::MOTION, it.from);
                let share = format!("{} of the picture", it.share).parse().ok();
                let _gone = log.end_ours(&id, it.to, None, share);
            }
            Event::Health { at, health } => {
                if let Some(id) = ailment.take() {
                    let _gone = log.end_ours(&id, at, None, None);
                }
                let label = health.name().parse().ok();
                *ailment = (health != Health::Well).then(|| begin(log, MarkerKind::HEALTH, at, label));
            }
        });
    }
}

/// A marker that goes on, and where it begins.
type Open = (MarkerId, Pts);

/// Begins a marker. The end of the one before it may have been lost with a ring that was full.
fn begun(log: &mut Log, open: Option<Open>, kind: MarkerKind, from: Pts) -> Open {
    if let Some((id, _)) = open {
        let _gone = log.end_ours(&id, from, None, None);
    }
    (begin(log, kind, from, None), from)
}

/// The marker that ends now: the one that goes on, unless it is another, as the beginning of this was lost.
fn ended(log: &mut Log, open: Option<Open>, kind: MarkerKind, from: Pts) -> MarkerId {
    match open {
        Some((id, begun)) if begun == from => id,
        open => begun(log, open, kind, from).0,
    }
}

fn begin(log: &mut Log, kind: MarkerKind, from: Pts, label: Option<Label>) -> MarkerId {
    let draft = Draft { kind, from, to: None, level: None, label };
    let marker: Arc<Marker> = log.add_ours(draft);
    marker.id.clone()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Span;
    use crate::detect::motion::Share;
    use crate::detect::{Motion, Transmission};

    #[test]
    fn what_was_heard_stands_in_the_timeline() {
        let at = |seconds: i64| Pts::default() + Span::from_millis(1000 * seconds);
        let timeline = Timeline::new(1);
        let mut scribe = Scribe::new(Arc::clone(&timeline));
        let ended = |from, to| {
            let (from, to) = (at(from), at(to));
            Event::Activity(Happening::Ended(Transmission { from, to, level: -20.0, peak: -6.0 }))
        };
        let events = [
            Event::Activity(Happening::Began { from: at(3) }),
            ended(3, 5),
            Event::Health { at: at(7), health: Health::Dead },
            Event::Health { at: at(9), health: Health::Hum },
            // Of which the beginning was lost.
            ended(10, 12),
            Event::Health { at: at(11), health: Health::Well },
            Event::Activity(Happening::Began { from: at(13) }),
            // The end of which was lost.
            Event::Activity(Happening::Began { from: at(14) }),
            Event::Motion(Happening::Began { from: at(15) }),
            Event::Motion(Happening::Ended(Motion {
                from: at(15),
                to: at(17),
                share: Share::thousandths(25),
            })),
        ];
        events.into_iter().for_each(|event| scribe.write(event));
        let told: Vec<_> = timeline.shown().markers.iter().map(|it| told(it)).collect();
        assert_eq!(
            told,
            [
                "transmission 3 5 -20",
                "health 7 9 dead",
                "health 9 11 hum",
                "transmission 10 12 -20",
                "transmission 13 14 -",
                "transmission 14 - -",
                "motion 15 17 2.5% of the picture"
            ]
        );
        timeline.forget_before(at(10));
        assert_eq!(timeline.shown().markers.len(), 5);
    }

    fn told(marker: &Marker) -> String {
        let seconds = |at: Pts| (at - Pts::default()).as_secs_f64();
        let to = marker.to.map_or("-".to_owned(), |to| seconds(to).to_string());
        let level = marker.level.map(|level| level.to_string());
        let what = level.or(marker.label.as_ref().map(|it| it.as_str().to_owned()));
        format!("{} {} {to} {}", marker.kind, seconds(marker.from), what.as_deref().unwrap_or("-"))
    }
}
