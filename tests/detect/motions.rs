//! Everything that may be before a camera, and what of it is motion.

use std::sync::Arc;
use std::time::Duration;

use outpost::base::{Monotonic, Pts, SimClock, Span, WallTime};
use outpost::detect::motion::{Settings, Share};
use outpost::detect::{Happening, Motion, Watcher};
use outpost::media::{FrameRate, Picture, Size};
use outpost::source::video::synth::{CardOptions, TestCard};
use outpost::source::video::{Glimpse, Image, VideoDevice, Wanted};

use crate::scene::{Grain, Light, Scene, Thing};

/// Pictures a second.
const RATE: u32 = 10;
/// How far from the truth a beginning or an end may be, in seconds: earlier than that, later than that.
const BEGINNING: (f64, f64) = (0.45, 0.05);
const END: (f64, f64) = (0.25, 0.55);

fn secs(at: Pts) -> f64 {
    (at - Pts::from_ticks(0)).as_secs_f64()
}

/// Watches for `seconds` and tells what was found.
fn found(scene: &Scene, seconds: u32, settings: &Settings) -> Vec<Motion> {
    let mut picture = Scene::picture();
    let mut watcher = Watcher::new(settings.clone(), picture.size());
    let (mut ended, mut begun) = (Vec::new(), None);
    let mut hear = |happening: Option<Happening<Motion>>| match happening {
        Some(Happening::Began { from }) => assert!(begun.replace(from).is_none(), "one at a time"),
        Some(Happening::Ended(it)) => {
            assert_eq!(begun.take(), Some(it.from), "it ends as it began");
            ended.push(it);
        }
        None => {}
    };
    for number in 0..seconds * RATE {
        let t = number as f32 / RATE as f32;
        scene.paint(&mut picture, t, number);
        let pts = Pts::from_ticks(0) + Span::from_millis(1_000 * i64::from(number) / i64::from(RATE));
        hear(watcher.see(pts, &picture.planes()));
    }
    hear(watcher.lose());
    ended
}

fn told(found: &[Motion]) -> Vec<String> {
    found.iter().map(|it| format!("{:.1}-{:.1} s, {}", secs(it.from), secs(it.to), it.share)).collect()
}

/// Holds what was found to what moved.
fn hold(name: &str, moved: &[(f64, f64)], found: &[Motion]) -> Result<(), String> {
    let wrong = || Err(format!("{name}: {:?} for {moved:?}", told(found)));
    if moved.len() != found.len() {
        return wrong();
    }
    for ((from, to), it) in moved.iter().zip(found) {
        let (early, late) = (secs(it.from) - from, secs(it.to) - to);
        let well = (-BEGINNING.0..=BEGINNING.1).contains(&early) && (-END.0..=END.1).contains(&late);
        if !well {
            return wrong();
        }
    }
    Ok(())
}

/// A scene by its name, how bright it is, and what moves in it, in seconds.
type Case = (&'static str, Vec<Thing>, Light, Grain, f32, &'static [(f64, f64)]);

/// Somebody at ten paces, from the 20th to the 24th second.
const WALKER: Thing = Thing::Walker { from: 20.0, to: 24.0, height: 0.5, width: 0.08, luma: 25.0 };

#[test]
fn what_moves_is_found_and_nothing_else() {
    use Light::{Cloud, Flicker, Lamp, Shadow, Spot, Steady};
    const WALKED: &[(f64, f64)] = &[(20.0, 24.0)];
    let calm = Grain::Fine(3.0);
    let night = Grain::Coarse(9.0);
    let walker = |from: f32, to: f32| Thing::Walker { from, to, height: 0.5, width: 0.08, luma: 25.0 };
    let far = Thing::Walker { from: 20.0, to: 32.0, height: 0.2, width: 0.035, luma: 160.0 };
    let bird = Thing::Walker { from: 20.0, to: 21.0, height: 0.03, width: 0.015, luma: 10.0 };
    let lorry = Thing::Walker { from: 20.0, to: 23.0, height: 0.7, width: 0.5, luma: 20.0 };
    let table: Vec<Case> = vec![
        ("nothing", vec![], Steady, calm, 1.0, &[]),
        ("somebody", vec![WALKER], Steady, calm, 1.0, WALKED),
        ("somebody far away", vec![far], Steady, calm, 1.0, &[(20.0, 32.0)]),
        ("a lorry", vec![lorry], Steady, calm, 1.0, &[(20.0, 23.0)]),
        ("a bird", vec![bird], Steady, calm, 1.0, &[]),
        ("two, soon", vec![walker(10.0, 13.0), walker(15.0, 18.0)], Steady, calm, 1.0, &[(10.0, 18.0)]),
        (
            "two",
            vec![walker(10.0, 13.0), walker(19.0, 22.0)],
            Steady,
            calm,
            1.0,
            &[(10.0, 13.0), (19.0, 22.0)],
        ),
        ("one who stays", vec![Thing::Guest { from: 10.0, to: 14.0 }], Steady, calm, 1.0, &[(10.0, 14.0)]),
        ("a noisy night", vec![], Steady, night, 0.3, &[]),
        (
            "somebody in it",
            vec![Thing::Walker { from: 20.0, to: 24.0, height: 0.5, width: 0.08, luma: 220.0 }],
            Steady,
            night,
            0.3,
            WALKED,
        ),
        ("flicker", vec![], Flicker { bands: 1.5, hertz: 1.7 }, calm, 1.0, &[]),
        ("slow flicker", vec![], Flicker { bands: 1.5, hertz: 0.2 }, calm, 1.0, &[]),
        ("all flickers", vec![], Flicker { bands: 0.0, hertz: 2.3 }, calm, 1.0, &[]),
        (
            "somebody in it",
            vec![Thing::Walker { from: 20.0, to: 24.0, height: 0.5, width: 0.08, luma: 10.0 }],
            Flicker { bands: 1.5, hertz: 1.7 },
            calm,
            1.0,
            WALKED,
        ),
        ("a lamp", vec![], Lamp { from: 10.0, to: 20.0 }, calm, 0.7, &[]),
        ("somebody by its light", vec![WALKER], Lamp { from: 10.0, to: 28.0 }, calm, 0.7, WALKED),
        ("a small lamp", vec![], Spot { from: 10.0, to: 20.0 }, calm, 0.7, &[]),
        ("a cloud", vec![], Cloud { from: 10.0, to: 20.0 }, calm, 1.0, &[]),
        ("its edge", vec![], Shadow { from: 10.0, to: 20.0 }, calm, 1.0, &[]),
        ("its edge, without noise", vec![], Shadow { from: 10.0, to: 20.0 }, Grain::Fine(0.0), 1.0, &[]),
        ("somebody under it", vec![WALKER], Shadow { from: 10.0, to: 22.0 }, calm, 1.0, WALKED),
        ("rain", vec![Thing::Rain], Steady, calm, 1.0, &[]),
        ("somebody in it", vec![WALKER, Thing::Rain], Steady, calm, 1.0, WALKED),
        ("snow", vec![Thing::Snow], Steady, calm, 0.3, &[]),
        ("somebody in it", vec![WALKER, Thing::Snow], Steady, calm, 1.0, WALKED),
        ("lightning", vec![], Light::Lightning, calm, 0.5, &[]),
        ("somebody in it", vec![WALKER], Light::Lightning, calm, 0.5, WALKED),
        ("blocks", vec![], Steady, Grain::Blocks(8.0), 1.0, &[]),
        ("somebody in them", vec![WALKER], Steady, Grain::Blocks(8.0), 1.0, WALKED),
    ];
    let wrong: Vec<String> = table
        .into_iter()
        .filter_map(|(name, things, light, grain, day, moved)| {
            let found = found(&Scene { things, light, grain, day }, 32, &Settings::default());
            hold(name, moved, &found).err()
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn who_works_in_one_place_is_no_noise() {
    let things = vec![Thing::Worker { from: 60.0, to: 85.0 }];
    let scene = Scene { things, light: Light::Steady, grain: Grain::Fine(3.0), day: 1.0 };
    let found = found(&scene, 90, &Settings::default());
    hold("one who works", &[(60.0, 85.0)], &found).unwrap_or_else(|wrong| panic!("{wrong}"));
}

#[test]
fn what_moves_all_the_time_is_learned() {
    for (name, thing) in [("a tree", Thing::Tree { from: 0.0 }), ("a screen", Thing::Screen)] {
        let walker = Thing::Walker { from: 150.0, to: 154.0, height: 0.5, width: 0.08, luma: 220.0 };
        let scene =
            Scene { things: vec![thing, walker], light: Light::Steady, grain: Grain::Fine(3.0), day: 1.0 };
        let found = found(&scene, 160, &Settings::default());
        let late: Vec<_> = found.iter().copied().filter(|it| secs(it.to) > 60.0).collect();
        hold(name, &[(150.0, 154.0)], &late).unwrap_or_else(|wrong| panic!("{wrong}"));
    }
}

#[test]
fn where_nothing_counts_nothing_is_found() {
    let things = vec![Thing::Tree { from: 10.0 }, WALKER];
    let scene = Scene { things, light: Light::Steady, grain: Grain::Fine(3.0), day: 1.0 };
    let all = found(&scene, 30, &Settings::default());
    assert!(all.first().is_some_and(|it| secs(it.from) < 15.0), "the wind rises: {:?}", told(&all));
    let ignore = vec!["0,0 36x52".parse().expect("a region")];
    let rest = found(&scene, 30, &Settings { ignore, ..Settings::default() });
    hold("beside the tree", &[(20.0, 24.0)], &rest).unwrap_or_else(|wrong| panic!("{wrong}"));
}

#[test]
fn how_much_moved_is_told_and_less_than_wanted_is_none() {
    let scene = Scene { things: vec![WALKER], light: Light::Steady, grain: Grain::Fine(3.0), day: 1.0 };
    let share = |threshold: u16| {
        let threshold = Share::thousandths(threshold);
        found(&scene, 30, &Settings { threshold, ..Settings::default() }).first().map(|it| it.share)
    };
    let told = share(5).expect("somebody");
    // They are as large as 4 %, where they were and where they are; a little more in whole cells.
    assert!((Share::thousandths(80)..Share::thousandths(130)).contains(&told), "{told}");
    assert_eq!((share(60), share(150)), (Some(told), None));
}

#[test]
fn a_camera_that_went_ends_it_and_one_that_comes_is_learned_anew() {
    let walker = |from: f32, to: f32| Thing::Walker { from, to, height: 0.5, width: 0.08, luma: 25.0 };
    let scene =
        Scene { things: vec![walker(5.0, 9.0)], light: Light::Steady, grain: Grain::Fine(3.0), day: 1.0 };
    let mut picture = Scene::picture();
    let mut watcher = Watcher::new(Settings::default(), picture.size());
    let (mut told, mut at) = (Vec::new(), Pts::from_ticks(0));
    for number in 0..70 {
        scene.paint(&mut picture, number as f32 / 10.0, number);
        told.extend(watcher.see(at, &picture.planes()));
        at += Span::from_millis(100);
    }
    let [Happening::Began { from }] = told[..] else { panic!("{told:?}") };
    let Some(Happening::Ended(it)) = watcher.lose() else { panic!("it has ended") };
    assert_eq!((it.from, secs(it.to)), (from, 6.9));
    // Another place altogether, and somebody there from the first picture on: they are seen once it is known.
    let scene = Scene { things: vec![walker(-1.0, 4.0)], day: 0.5, ..scene };
    for number in 0..60 {
        scene.paint(&mut picture, number as f32 / 10.0, number);
        let happened = watcher.see(at, &picture.planes());
        assert!(happened.is_none() || number > 20, "{number}: {happened:?}");
        at += Span::from_millis(100);
    }
}

#[test]
fn pictures_of_any_size_are_looked_at() {
    // In a few cells, or a row of them, nothing can lie together.
    let sizes =
        [("16x16", false), ("16x8192", false), ("8192x16", false), ("322x242", true), ("1920x1080", true)];
    for (size, is_seen) in sizes {
        let mut picture = Picture::black(size.parse().expect("a size"));
        let (mut watcher, mut told) = (Watcher::new(Settings::default(), picture.size()), None);
        for number in 0..60i64 {
            // After three seconds of grey, stripes as wide as a tenth of it move on in its upper quarter.
            let (width, stripe) = (picture.size().width(), picture.size().width().div_ceil(10));
            let shade = |x: usize| {
                if number >= 30 && (x / stripe + number as usize).is_multiple_of(3) { 140 } else { 90 }
            };
            let [luma, ..] = picture.planes_mut();
            let upper = luma.len() / width / 4;
            luma.fill(90);
            luma.chunks_exact_mut(width)
                .take(upper)
                .for_each(|row| (0..width).for_each(|x| row[x] = shade(x)));
            let pts = Pts::from_ticks(0) + Span::from_millis(100 * number);
            told = told.or(watcher.see(pts, &picture.planes()));
        }
        assert_eq!(matches!(told, Some(Happening::Began { .. })), is_seen, "{size}");
    }
}

#[test]
fn shares_and_regions_as_people_write_them() {
    for (text, thousandths) in [("0.5%", 5), ("3%", 30), ("3.0 %", 30), ("100%", 1_000)] {
        assert_eq!(text.parse(), Ok(Share::thousandths(thousandths)), "{text}");
    }
    for wrong in ["", "%", "3", "0.05%", "101%", "-1%", "1,5%", "a%", ".%", "99999999%"] {
        assert!(wrong.parse::<Share>().is_err(), "{wrong}");
    }
    assert_eq!([5, 30].map(|it| Share::thousandths(it).to_string()), ["0.5%", "3%"]);
    for (text, fits) in [
        ("0,0 100x100", true),
        ("50,0 50x30", true),
        ("60,0 50x30", false),
        ("0,0 0x5", false),
        ("0,0", false),
        ("0 0 5 5", false),
        ("0,0 5x-5", false),
        ("0,0 5x300", false),
    ] {
        assert_eq!(text.parse::<outpost::detect::motion::Region>().is_ok(), fits, "{text}");
    }
}

#[test]
fn of_the_test_card_only_the_box_that_passes_is_motion() {
    for (size, rate, start) in [
        ("1280x720", 30, 1_300),
        ("640x360", 30, 21_234),
        ("640x360", 30, 3_617),
        ("1280x720", 30, 15_800),
        ("320x240", 10, 27_000),
    ] {
        let clock =
            Arc::new(SimClock::new(Monotonic::from_nanos(start * 1_000_000), WallTime::from_unix_nanos(0)));
        let size: Size = size.parse().expect("a size");
        let wanted = Wanted { size, rate: FrameRate::new(rate, 1).expect("a rate") };
        let options = CardOptions { wanted, title: "Card".to_owned(), start: 0 };
        let mut input = TestCard::new(options, clock).open().expect("it is always there");
        let mut watcher = Watcher::new(Settings::default(), size);
        let mut found = Vec::new();
        for _ in 0..200 * rate {
            let Ok(Glimpse::Shot(shot)) = input.read(Duration::from_secs(2)) else { panic!("no shot") };
            let Image::Raw(planes) = shot.image else { panic!("{shot:?}") };
            if let Some(Happening::Ended(it)) = watcher.see(shot.captured.to_pts(), &planes) {
                found.push(it);
            }
        }
        // It comes at the 10th second of each half minute and is gone at the 15th, in the midst of flashes.
        let (begins, ends) = (start as f64 / 1e3, start as f64 / 1e3 + 200.0);
        let passed = (0..8).map(|n| 30.0 * f64::from(n)).map(|round| (round + 10.0, round + 15.0));
        let passed: Vec<_> = passed.filter(|(from, to)| *from > begins + 2.0 && to + 4.0 < ends).collect();
        let beside = |(from, to): &(f64, f64), it: &Motion| {
            (-1.0..0.4).contains(&(secs(it.from) - from)) && (-0.4..1.0).contains(&(secs(it.to) - to))
        };
        let all = passed.len() == found.len() && passed.iter().zip(&found).all(|(span, it)| beside(span, it));
        assert!(all, "{size}: {:?} for {passed:?}", told(&found));
    }
}
