//! Several renditions of one camera.

use proptest::prelude::*;

use super::*;

/// Renditions of a camera of 30 pictures a second, each with a size, a rate and steps of its own.
fn ladder(renditions: &[(&'static str, u32, &[Step])]) -> (Rig, Vec<Consumer<Record>>) {
    let mut rig = Rig::new();
    let mut rings = Vec::new();
    for (text, hertz, steps) in renditions {
        let (producer, records) = ring::channel(1 << 14).expect("an eventfd");
        let (size, clock) = (size(text), Arc::clone(&rig.clock) as Arc<dyn Clock>);
        let program = Program { video: Some(config(size)), audio: None };
        let sink = RecordSink::new(producer, Audience::default(), Arc::default());
        let outlet = Outlet::direct(Segments::new("test", &program, sink, &clock));
        let tuning = Tuning { bitrate: 2_000_000, rate: rate(*hertz) };
        let params = VideoParams { size, rate: rate(*hertz), tuning, ..params() };
        let (choice, camera) = (choice(rig.scripted(text, size, u32::MAX)), wanted());
        let mode = VideoMode::Encode { choice, params, camera, encoders: none() };
        let grid = CutGrid::new(Span::from_millis(2000));
        rig.streams.push(VideoStream::new(text, mode, grid, outlet, Arc::default(), Arc::default(), steps));
        rings.push(records);
    }
    (rig, rings)
}

fn wanted() -> Wanted {
    Wanted { size: params().size, rate: params().rate }
}

/// Where segments began.
fn begins(records: &mut Consumer<Record>) -> Vec<Pts> {
    let mut begins = Vec::new();
    loop {
        let batch = records.read();
        let count = batch.len();
        begins.extend(batch.iter().filter_map(|record| match record.mark {
            Mark::Begin { at, .. } => Some(at),
            _ => None,
        }));
        if count == 0 {
            return begins;
        }
        records.release(count);
    }
}

#[test]
fn renditions_of_any_size_and_rate_begin_their_segments_with_the_same_picture() {
    let (mut rig, mut rings) =
        ladder(&[("320x180", 30, &[]), ("160x90", 30, &[]), ("160x90", 7, &[]), ("64x36", 1, &[])]);
    rig.raw(600);
    let all: Vec<_> = rings.iter_mut().map(begins).collect();
    // The first picture, then the first after each instant of the grid in twenty seconds.
    assert_eq!(all[0].len(), 11);
    assert!(all.iter().all(|begins| *begins == all[0]), "{all:?}");
    let sent: Vec<_> = rig.streams.iter().map(|stream| stream.gate.stats.sent.get()).collect();
    assert_eq!(sent[..2], [600, 600]);
    assert!((140..=151).contains(&sent[2]) && (11..=25).contains(&sent[3]), "{sent:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4, ..ProptestConfig::default() })]

    #[test]
    fn cuts_stay_together_whatever_steps_are_taken(
        late in proptest::collection::vec(0u64..60, 200),
        hertz in 1u32..30,
    ) {
        let steps = [Step::Rate(rate(11)), Step::Rate(rate(3))];
        let (mut rig, mut rings) = ladder(&[("320x180", 30, &steps), ("160x90", hertz, &[]), ("64x36", 25, &steps)]);
        for (n, late) in late.iter().cycle().take(300).enumerate() {
            // Not every picture of a camera comes, and a busy machine makes renditions step down.
            if n % 13 != 5 {
                rig.clock.advance(Duration::from_millis(*late));
                rig.show(1.0 / 30.0, None, Origin::Live);
            } else {
                rig.count += 1;
            }
        }
        let all: Vec<_> = rings.iter_mut().map(begins).collect();
        prop_assert!(all.iter().all(|begins| *begins == all[0]), "{:?}", all);
    }
}
