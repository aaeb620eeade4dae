//! Whatever a device may do, by chance.

use std::collections::VecDeque;

use proptest::prelude::*;

use super::super::super::timeline;
use super::*;

/// What a device does when it is asked.
#[derive(Clone, Copy, Debug)]
enum Answer {
    /// A picture after so long, with a timestamp wrong by so much.
    Shot { after_ms: u64, wrong_ms: i64 },
    /// A picture with this timestamp.
    Stamped(i64),
    /// A damaged one.
    Damaged { after_ms: u64 },
    /// Nothing, after so long.
    Nothing { after_ms: u64 },
    /// An error.
    Fail(Signal),
}

fn answer() -> impl Strategy<Value = Answer> {
    let signal = prop::sample::select(vec![Signal::NoDevice, Signal::Busy, Signal::Failed]);
    prop_oneof![
        12 => (0u64..100, -60i64..20).prop_map(|(after_ms, wrong_ms)| Answer::Shot { after_ms, wrong_ms }),
        2 => (0u64..100, -3_000i64..9_000)
            .prop_map(|(after_ms, wrong_ms)| Answer::Shot { after_ms, wrong_ms }),
        1 => prop_oneof![Just(0), Just(i64::MAX), Just(i64::MIN), any::<i64>()].prop_map(Answer::Stamped),
        2 => (0u64..100).prop_map(|after_ms| Answer::Damaged { after_ms }),
        2 => (0u64..100).prop_map(|after_ms| Answer::Nothing { after_ms }),
        1 => signal.prop_map(Answer::Fail),
    ]
}

/// A device that answers by a script, over and over; never later than it is asked to.
#[derive(Clone)]
struct Scripted {
    clock: Arc<SimClock>,
    script: VecDeque<Answer>,
    format: VideoFormat,
    picture: Picture,
    has_given: bool,
}

impl Scripted {
    fn answer(&mut self) -> Answer {
        self.script.rotate_left(1);
        self.script[0]
    }
}

impl VideoDevice for Scripted {
    fn name(&self) -> &str {
        "scripted"
    }

    fn open(&mut self) -> Result<Box<dyn VideoInput>, SourceError> {
        match self.answer() {
            Answer::Fail(signal) => Err(error(signal)),
            _ => Ok(Box::new(self.clone())),
        }
    }
}

impl VideoInput for Scripted {
    fn format(&self) -> &VideoFormat {
        &self.format
    }

    fn read(&mut self, patience: Duration) -> Result<Glimpse<'_>, SourceError> {
        let answer = self.answer();
        self.has_given |= matches!(answer, Answer::Shot { .. } | Answer::Stamped(_));
        let wait = |ms: u64| self.clock.advance(Duration::from_millis(ms).min(patience));
        let shot =
            |captured| Shot { captured, missed: 0, image: Image::Raw(self.picture.planes()), memory: None };
        Ok(match answer {
            Answer::Shot { after_ms, wrong_ms } => {
                wait(after_ms);
                let captured = self.clock.now().as_nanos() + wrong_ms * MS;
                Glimpse::Shot(shot(Monotonic::from_nanos(captured)))
            }
            Answer::Stamped(nanos) => Glimpse::Shot(shot(Monotonic::from_nanos(nanos))),
            Answer::Damaged { after_ms } => {
                wait(after_ms);
                Glimpse::Damaged("cut short")
            }
            Answer::Nothing { after_ms } => {
                wait(after_ms);
                Glimpse::Nothing
            }
            Answer::Fail(signal) => return Err(error(signal)),
        })
    }

    fn last(&self) -> Option<Image<'_>> {
        self.has_given.then(|| Image::Raw(self.picture.planes()))
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever a device does, view follows view, later and later, and close to the clock.
    #[test]
    fn no_device_breaks_the_view(script in prop::collection::vec(answer(), 1..40)) {
        let clock = sim_clock();
        let began = clock.now();
        let format = VideoFormat { coding: Coding::Raw, rate: wanted().rate, about: String::new() };
        let picture = Picture::black(wanted().size);
        let clock_too = clock.clone();
        let device = Scripted { clock: clock_too, script: script.into(), format, picture, has_given: false };
        let stats = Arc::new(CameraStats::default());
        let mut camera = Camera::new(Box::new(device), wanted(), "Pole", clock.clone(), stats);
        let stop = Stop::new();
        let mut seen = Seen::default();
        // A device may give pictures without pause, so count them too.
        while clock.now() < began + Duration::from_secs(10) && seen.views.len() < 5_000 {
            let view = camera.next(&stop).expect("it is not stopped");
            seen.note(&view, clock.now());
            let (media, now) = (view.pts.to_monotonic(), clock.now());
            // One tick for each picture a device gives without pause.
            let ahead = timeline::AHEAD + Duration::from_millis(60);
            prop_assert!(media.since(now) <= ahead, "{:?} early", media.since(now));
            prop_assert!(now.since(media) <= timeline::OLDEST, "{:?} late", now.since(media));
        }
        let slates = seen.longest_gap(Some(Origin::Slate), began);
        // The last live picture stands until its camera counts as dead.
        prop_assert!(slates <= DEAD + PATIENCE, "{slates:?}");
        let pairs = seen.views.windows(2).filter(|w| w[0].2 == Origin::Slate);
        for (before, after) in pairs.map(|w| (w[0].1, w[1].1)) {
            prop_assert!(after.since(before) <= Duration::from_millis(250), "{:?}", after.since(before));
        }
    }
}
