//! Every kind of receiver, and what is to be found.

use outpost::base::{Pts, Random, Span};
use outpost::detect::{Detector, Ear, Happening, Settings, Threshold, Transmission};
use outpost::media::AudioBlock;

use crate::synth::{Call, Idle, RATE, Receiver, Speaker};

/// How far from the truth a beginning or an end may be.
const EXACT: f64 = 0.15;

fn call(from: f32, to: f32, level: f32, speaker: Speaker, tail: f32) -> Call {
    Call { from, to, level, speaker, tail }
}

/// Plays `seconds` and tells what was found, and when it was told, all in seconds.
fn found(mut receiver: Receiver, seconds: f32, settings: Settings) -> Vec<(Transmission, f64)> {
    let (mut ear, mut detector) = (Ear::default(), Detector::new(settings));
    let (mut ended, mut begun) = (Vec::new(), None);
    let mut pts = Pts::from_ticks(0);
    let mut samples = vec![0.0; 1024];
    for _ in 0..(seconds * RATE as f32) as u32 / 1024 {
        samples.iter_mut().for_each(|sample| *sample = receiver.sample());
        ear.hear(
            &AudioBlock { pts, channels: 1, samples: &samples },
            &mut |step| match detector.hear(step) {
                Some(Happening::Began { from }) => assert!(begun.replace(from).is_none(), "one at a time"),
                Some(Happening::Ended(it)) => {
                    assert_eq!(begun.take(), Some(it.from), "it ends as it began");
                    ended.push((it, (step.at - Pts::from_ticks(0)).as_secs_f64()));
                }
                None => {}
            },
        );
        pts += Span::from_samples(1024, RATE);
    }
    ended
}

fn secs(at: Pts) -> f64 {
    (at - Pts::from_ticks(0)).as_secs_f64()
}

/// Holds what was found to what was said, the same number and each at its place.
fn hold(name: &str, said: &[Call], found: &[(Transmission, f64)]) {
    let told: Vec<_> = found.iter().map(|(it, _)| (secs(it.from), secs(it.to), it.level)).collect();
    let meant: Vec<_> = said.iter().map(|call| (call.from, call.to)).collect();
    assert_eq!(told.len(), meant.len(), "{name}: {told:?} for {meant:?}");
    for (call, (it, when)) in said.iter().zip(found) {
        let (early, late) = (secs(it.from) - f64::from(call.from), secs(it.to) - f64::from(call.to));
        assert!(early.abs() <= EXACT, "{name}: begins {early:+.3} s beside {call:?}");
        assert!(late.abs() <= EXACT, "{name}: ends {late:+.3} s beside {call:?}");
        assert!(when - secs(it.to) <= 1.0, "{name}: told {:.2} s later", when - secs(it.to));
    }
}

#[test]
fn what_was_said_is_found_and_nothing_else() {
    use Speaker::{Noise, Tone, Voice};
    let talk = |level: f32, tail: f32| {
        vec![
            call(3.0, 6.2, level, Voice(110.0), tail),
            call(9.0, 9.8, level, Voice(190.0), tail),
            call(14.0, 24.0, level, Voice(140.0), tail),
        ]
    };
    let table: [(&str, Idle, Vec<Call>, usize); 14] = [
        ("digital silence between", Idle::Nothing, talk(-20.0, 0.0), 3),
        ("digital silence, squelch tails", Idle::Nothing, talk(-20.0, 0.25), 3),
        ("faint noise between, tails", Idle::Hiss(-78.0), talk(-14.0, 0.3), 3),
        ("hiss, 10 dB below", Idle::Hiss(-40.0), talk(-30.0, 0.0), 3),
        ("loud hiss, 12 dB below", Idle::Hiss(-22.0), talk(-10.0, 0.0), 3),
        ("hum", Idle::Hum(-30.0), talk(-20.0, 0.2), 3),
        ("loud hum", Idle::Hum(-15.0), talk(-15.0, 0.0), 3),
        (
            "no squelch: the carrier quietens the hiss",
            Idle::Discriminator { without: -14.0, with: -50.0 },
            talk(-14.0, 0.0),
            3,
        ),
        (
            "no squelch, and the voice is below the hiss",
            Idle::Discriminator { without: -10.0, with: -48.0 },
            talk(-20.0, 0.0),
            3,
        ),
        (
            "tones",
            Idle::Hiss(-70.0),
            vec![
                call(2.0, 4.0, -20.0, Tone(440.0), 0.0),
                call(6.0, 36.0, -20.0, Tone(997.0), 0.0),
                call(38.0, 40.0, -30.0, Tone(2_500.0), 0.2),
            ],
            3,
        ),
        (
            "only squelch tails",
            Idle::Hiss(-75.0),
            (1..9).map(|n| call(n as f32 * 4.0, n as f32 * 4.0 + 0.2, -15.0, Noise, 0.0)).collect(),
            0,
        ),
        ("only a click", Idle::Nothing, vec![call(5.0, 5.05, -10.0, Tone(700.0), 0.0)], 0),
        ("a squelch that stays open", Idle::Hiss(-75.0), vec![call(5.0, 45.0, -20.0, Noise, 0.0)], 0),
        ("nothing", Idle::Nothing, vec![], 0),
    ];
    for (name, idle, calls, expected) in table {
        let receiver = Receiver::new(idle, calls.clone(), 7);
        let found = found(receiver, 50.0, Settings::default());
        hold(name, &calls[..expected], &found);
    }
}

#[test]
fn two_hundred_in_noise_are_all_found_and_none_is_invented() {
    for (seed, floor) in [(1, -50.0), (2, -30.0)] {
        let mut random = Random::new(seed);
        let (mut calls, mut at) = (Vec::new(), 2.0);
        for _ in 0..100 {
            let (lasts, pitch) = (random.within(0.6..9.0), random.within(90.0..240.0));
            calls.push(call(at, at + lasts, floor + 10.0, Speaker::Voice(pitch), 0.0));
            at += lasts + random.within(1.5..12.0);
        }
        let receiver = Receiver::new(Idle::Hiss(floor), calls.clone(), seed);
        hold("in noise", &calls, &found(receiver, at + 2.0, Settings::default()));
    }
}

#[test]
fn a_fixed_threshold_and_a_longer_hang_are_kept_to() {
    let calls = vec![
        call(3.0, 5.0, -45.0, Speaker::Voice(120.0), 0.0),
        call(8.0, 10.0, -20.0, Speaker::Voice(120.0), 0.0),
        call(11.5, 13.0, -20.0, Speaker::Voice(200.0), 0.0),
    ];
    let settings =
        Settings { threshold: Threshold::At(-35), hang: Span::from_millis(2_000), ..Settings::default() };
    let found = found(Receiver::new(Idle::Hiss(-60.0), calls, 3), 18.0, settings);
    let told: Vec<_> = found.iter().map(|(it, _)| (secs(it.from), secs(it.to))).collect();
    assert!(
        told.len() == 1 && (told[0].0 - 8.0).abs() < EXACT && (told[0].1 - 13.0).abs() < EXACT,
        "{told:?}"
    );
}
