//! What a stream lacks because its source was away, as markers.

use std::sync::Arc;
use std::time::Duration;

use super::report::StreamFigures;
use crate::media::marker::{Label, MarkerId, MarkerKind, ends_line};
use crate::source::{Signal, State};
use crate::timeline::{Draft, Timeline};

/// How often it is looked. The instants themselves are those that the source's own thread has noted.
const LOOK: Duration = Duration::from_millis(200);

/// Sets a marker where a source of the stream went away and ends it where it came back, as long as the stream runs.
pub(super) async fn attend(stream: Arc<StreamFigures>) {
    let mut watch = Watch { timeline: Arc::clone(stream.station.timeline()), open: None };
    let mut pause = tokio::time::interval(LOOK);
    loop {
        pause.tick().await;
        watch.look(&stream.state());
    }
}

/// One stream's sources, of which the first that is in trouble counts.
struct Watch {
    timeline: Arc<Timeline>,
    /// The marker of the gap that goes on.
    open: Option<MarkerId>,
}

impl Watch {
    fn look(&mut self, state: &State) {
        let since = state.since.to_pts();
        match (state.signal, &self.open) {
            (Signal::Live, Some(id)) => {
                // It may have left the window.
                let _gone = self.timeline.write(|log| log.end_ours(id, since, None, None));
                self.open = None;
            }
            (Signal::Live | Signal::Starting, _) | (_, Some(_)) => {}
            (_, None) => {
                let label = label(&state.cause);
                let draft = Draft { kind: MarkerKind::GAP, from: since, to: None, level: None, label };
                self.open = Some(self.timeline.write(|log| log.add_ours(draft)).id.clone());
            }
        }
    }
}

/// As much of the cause as a label holds.
fn label(cause: &str) -> Option<Label> {
    let line: String = cause.chars().filter(|it| !ends_line(*it)).take(Label::LEN).collect();
    line.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Monotonic, Pts};

    #[test]
    fn a_gap_lasts_from_where_the_source_went_to_where_it_came_back() {
        let timeline = Timeline::new(1);
        let mut watch = Watch { timeline: Arc::clone(&timeline), open: None };
        let cause = "no device is plugged in\n".repeat(20);
        let steps = [
            (Signal::Starting, 0),
            (Signal::NoDevice, 1),
            (Signal::Live, 3),
            (Signal::Live, 3),
            (Signal::Stalled, 5),
            (Signal::NoDevice, 8),
            (Signal::Live, 9),
            (Signal::Busy, 12),
        ];
        for (signal, second) in steps {
            let since = Monotonic::from_nanos(second * 1_000_000_000);
            watch.look(&State { signal, cause: cause.clone(), since });
        }
        let seconds = |at: Pts| (at - Pts::default()).as_secs_f64();
        let shown = timeline.shown();
        let told: Vec<_> = shown.markers.iter().map(|it| (seconds(it.from), it.to.map(seconds))).collect();
        assert_eq!(told, [(1.0, Some(3.0)), (5.0, Some(9.0)), (12.0, None)]);
        assert!(shown.markers.iter().all(|it| it.kind == MarkerKind::GAP && it.label.is_some()));
    }
}
