//! What ails a receiver, told by what is heard.

use outpost::base::{Pts, Span};
use outpost::detect::{Detector, Ear, Health, Monitor, Settings};
use outpost::media::AudioBlock;

use crate::synth::{Call, Idle, RATE, Receiver, Speaker, amplitude};

/// For so many seconds, as loud as that, what is heard.
type Part = (f32, f32, Receiver);

/// How each was in turn, with the second in which it became so.
fn course(parts: Vec<Part>) -> Vec<(i64, Health)> {
    let (mut ear, mut detector) = (Ear::default(), Detector::new(Settings::default()));
    let (mut monitor, mut told, mut pts) = (Monitor::default(), Vec::new(), Pts::from_ticks(0));
    for (seconds, gain, mut receiver) in parts {
        for _ in 0..(seconds * RATE as f32) as u32 / 1024 {
            let samples: Vec<f32> = (0..1024).map(|_| (receiver.sample() * gain).clamp(-1.0, 1.0)).collect();
            ear.hear(&AudioBlock { pts, channels: 1, samples: &samples }, &mut |step| {
                let found = detector.hear(step);
                let health = monitor.hear(step, &detector, found.as_ref());
                told.extend(health.map(|it| (step.at.ticks() / 90_000, it)));
            });
            pts += Span::from_samples(1024, RATE);
        }
    }
    told
}

/// Somebody speaks for three seconds out of ten, as loud as that.
fn used(idle: Idle, seconds: f32, level: f32) -> Receiver {
    let call = |n: u32| {
        let from = n as f32 * 10.0 + 4.0;
        Call { from, to: from + 3.0, level, speaker: Speaker::Voice(130.0), tail: 0.2 }
    };
    Receiver::new(idle, (0..(seconds / 10.0) as u32).map(call).collect(), 5)
}

#[test]
fn each_trouble_has_its_name() {
    let idle = |idle: Idle| Receiver::new(idle, vec![], 9);
    let noise = Idle::Hiss(-62.0);
    let table: [(&str, Vec<Part>, &[Health]); 9] = [
        ("a quiet channel", vec![(150.0, 1.0, idle(noise))], &[]),
        ("in use", vec![(120.0, 1.0, used(noise, 120.0, -18.0))], &[]),
        ("in use, with hum", vec![(120.0, 1.0, used(Idle::Hum(-32.0), 120.0, -18.0))], &[]),
        (
            "switched off, and on",
            vec![(30.0, 1.0, used(noise, 30.0, -18.0)), (20.0, 0.0, idle(noise)), (20.0, 1.0, idle(noise))],
            &[Health::Dead, Health::Well],
        ),
        (
            "the lead pulled out of the box, and put in",
            vec![
                (100.0, 1.0, used(noise, 100.0, -18.0)),
                (60.0, 1.0, idle(Idle::Hiss(-88.0))),
                (60.0, 1.0, used(noise, 60.0, -18.0)),
            ],
            &[Health::Unplugged, Health::Well],
        ),
        (
            "the lead pulled out of the radio, and put in",
            vec![
                (60.0, 1.0, used(noise, 60.0, -18.0)),
                (60.0, 1.0, idle(Idle::Hum(-35.0))),
                (30.0, 1.0, used(noise, 30.0, -18.0)),
            ],
            &[Health::Hum, Health::Well],
        ),
        (
            "the squelch opened, and closed",
            vec![
                (60.0, 1.0, used(noise, 60.0, -18.0)),
                (100.0, 1.0, idle(Idle::Hiss(-20.0))),
                (60.0, 1.0, used(noise, 60.0, -18.0)),
            ],
            &[Health::OpenSquelch, Health::Well],
        ),
        (
            "turned up too far, and down",
            vec![(60.0, 12.0, used(noise, 60.0, -18.0)), (60.0, 1.0, used(noise, 60.0, -24.0))],
            &[Health::Clipping, Health::Well],
        ),
        (
            "turned down too far, and up",
            vec![(60.0, amplitude(-30.0), used(noise, 60.0, -22.0)), (60.0, 1.0, used(noise, 60.0, -18.0))],
            &[Health::Faint, Health::Well],
        ),
    ];
    for (name, parts, expected) in table {
        let told = course(parts);
        let course: Vec<_> = told.iter().map(|(_, health)| *health).collect();
        assert_eq!(course, expected, "{name}: {told:?}");
    }
}
