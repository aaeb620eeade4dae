//! Playlists compared as whole text, and read by a parser that is not ours.

use std::sync::Arc;
use std::time::Duration;

use outpost::base::{Clock, Pts, Span, Sync, WallTime};
use outpost::container::ts::Join::{self, Broken, Continuous};
use outpost::playlist::{Extent, Skip, extent, media};
use outpost::segment::window::Window;
use outpost::segment::{
    Agreement, Before, Correction, Dates, Ledger, Numbering, Rate, Segment, SegmentConfig, Snapshot,
};

use crate::script::{BOOT_HOUR, Scratch, clock, playlist, transport_stream};

/// A window on a grid of two seconds that has numbered 100 segments and 7 discontinuities before.
struct Story {
    window: Window,
    clock: Arc<outpost::base::SimClock>,
    next: u64,
    at: Pts,
}

impl Story {
    /// Six seconds long.
    fn new() -> Self {
        Self::bounded(6000, 1 << 20)
    }

    fn bounded(millis: i64, bytes: usize) -> Self {
        let config = SegmentConfig { length: Span::from_millis(millis), bytes, ..SegmentConfig::default() };
        let clock = clock();
        let mut window = Window::new(&config, Dates::of(&clock.wall()));
        window.prepare(Before::Anew { discontinuities: 7, gaps: Vec::new() }, clock.now());
        Self { window, clock, next: 100, at: BOOT_HOUR.to_pts() }
    }

    /// Looks at the clock, as every rendition does now and then.
    fn look(&mut self, agreement: &Agreement) -> Option<Correction> {
        let correction = agreement.look(&self.clock.wall());
        assert_eq!(self.window.set_dates(agreement.dates()), correction.is_some());
        correction
    }

    fn segment(&mut self, frames: i64, join: Join) -> &mut Self {
        let duration = Span::from_samples(frames * 1024, 48_000);
        let body = outpost::segment::Body { chunks: Arc::from([]), len: 188 * 100 };
        let segment = Segment::plain(self.next, self.at, duration, join, body);
        self.clock.advance(duration.to_duration());
        self.window.push(segment, self.clock.now());
        self.next += 1;
        self.at += duration;
        self
    }

    fn hole(&mut self, millis: i64) -> &mut Self {
        self.at += Span::from_millis(millis);
        self.clock.advance(Duration::from_millis(millis.unsigned_abs()));
        self
    }
}

/// Holds text and parser against the expectation.
fn assert_playlist(snapshot: &Snapshot, expected: &str) {
    let text = playlist(snapshot);
    assert_eq!(text, expected);
    let parsed = m3u8_rs::parse_media_playlist_res(text.as_bytes()).expect("m3u8-rs reads it");
    assert_eq!(parsed.version, Some(8));
    assert_eq!(parsed.target_duration, u64::from(snapshot.target.0));
    assert_eq!(parsed.discontinuity_sequence, snapshot.discontinuity_sequence);
    assert_eq!(parsed.media_sequence, snapshot.listed.first().map_or(0, |it| it.sequence));
    assert!(parsed.independent_segments && !parsed.end_list && parsed.playlist_type.is_none());
    assert_eq!(parsed.segments.len(), snapshot.listed.len());
    for (index, (theirs, ours)) in parsed.segments.iter().zip(snapshot.listed.iter()).enumerate() {
        assert_eq!(theirs.uri, format!("{}.ts", ours.sequence));
        assert_eq!(theirs.discontinuity, ours.join == Broken);
        assert!((f64::from(theirs.duration) - ours.duration.as_secs_f64()).abs() < 1e-5);
        let before = index.checked_sub(1).map(|before| &snapshot.listed[before]);
        let dates = &snapshot.dates;
        let runs_on = before.is_some_and(|it| dates.end(it.start, it.duration) == dates.at(ours.start));
        assert_eq!(theirs.program_date_time.is_some(), ours.join == Broken || !runs_on);
    }
}

#[test]
fn nothing_yet() {
    assert_playlist(
        &Story::new().window.snapshot(),
        "#EXTM3U\n\
         #EXT-X-VERSION:8\n\
         #EXT-X-TARGETDURATION:2\n\
         #EXT-X-SERVER-CONTROL:CAN-SKIP-UNTIL=12.000000,CAN-SKIP-DATERANGES=YES\n\
         #EXT-X-DISCONTINUITY-SEQUENCE:7\n\
         #EXT-X-INDEPENDENT-SEGMENTS\n",
    );
}

#[test]
fn one_segment() {
    assert_playlist(
        &Story::new().segment(40, Broken).window.snapshot(),
        "#EXTM3U\n\
         #EXT-X-VERSION:8\n\
         #EXT-X-TARGETDURATION:2\n\
         #EXT-X-SERVER-CONTROL:CAN-SKIP-UNTIL=12.000000,CAN-SKIP-DATERANGES=YES\n\
         #EXT-X-MEDIA-SEQUENCE:100\n\
         #EXT-X-DISCONTINUITY-SEQUENCE:7\n\
         #EXT-X-INDEPENDENT-SEGMENTS\n\
         #EXT-X-DISCONTINUITY\n\
         #EXT-X-PROGRAM-DATE-TIME:2025-11-20T12:00:00.000Z\n\
         #EXTINF:0.853333,\n\
         100.ts\n",
    );
}

#[test]
fn a_full_window_slides_and_the_first_discontinuity_leaves_it() {
    let mut story = Story::new();
    story.segment(40, Broken);
    for frames in [94, 94, 93, 94] {
        story.segment(frames, Continuous);
    }
    assert_playlist(
        &story.window.snapshot(),
        "#EXTM3U\n\
         #EXT-X-VERSION:8\n\
         #EXT-X-TARGETDURATION:2\n\
         #EXT-X-SERVER-CONTROL:CAN-SKIP-UNTIL=12.000000,CAN-SKIP-DATERANGES=YES\n\
         #EXT-X-MEDIA-SEQUENCE:101\n\
         #EXT-X-DISCONTINUITY-SEQUENCE:8\n\
         #EXT-X-INDEPENDENT-SEGMENTS\n\
         #EXT-X-PROGRAM-DATE-TIME:2025-11-20T12:00:00.853Z\n\
         #EXTINF:2.005334,\n\
         101.ts\n\
         #EXTINF:2.005333,\n\
         102.ts\n\
         #EXTINF:1.984000,\n\
         103.ts\n\
         #EXTINF:2.005333,\n\
         104.ts\n",
    );
}

#[test]
fn a_discontinuity_enters_moves_through_and_leaves() {
    let mut story = Story::new();
    story.segment(94, Broken);
    for _ in 0..3 {
        story.segment(94, Continuous);
    }
    story.hole(10_000).segment(94, Broken);
    let head = "#EXTM3U\n#EXT-X-VERSION:8\n#EXT-X-TARGETDURATION:2\n\
        #EXT-X-SERVER-CONTROL:CAN-SKIP-UNTIL=12.000000,CAN-SKIP-DATERANGES=YES\n";
    assert_playlist(
        &story.window.snapshot(),
        &format!(
            "{head}\
             #EXT-X-MEDIA-SEQUENCE:102\n\
             #EXT-X-DISCONTINUITY-SEQUENCE:8\n\
             #EXT-X-INDEPENDENT-SEGMENTS\n\
             #EXT-X-PROGRAM-DATE-TIME:2025-11-20T12:00:04.010Z\n\
             #EXTINF:2.005333,\n\
             102.ts\n\
             #EXTINF:2.005333,\n\
             103.ts\n\
             #EXT-X-DISCONTINUITY\n\
             #EXT-X-PROGRAM-DATE-TIME:2025-11-20T12:00:18.021Z\n\
             #EXTINF:2.005334,\n\
             104.ts\n"
        ),
    );
    story.segment(94, Continuous).segment(94, Continuous);
    assert_playlist(
        &story.window.snapshot(),
        &format!(
            "{head}\
             #EXT-X-MEDIA-SEQUENCE:104\n\
             #EXT-X-DISCONTINUITY-SEQUENCE:8\n\
             #EXT-X-INDEPENDENT-SEGMENTS\n\
             #EXT-X-DISCONTINUITY\n\
             #EXT-X-PROGRAM-DATE-TIME:2025-11-20T12:00:18.021Z\n\
             #EXTINF:2.005334,\n\
             104.ts\n\
             #EXTINF:2.005333,\n\
             105.ts\n\
             #EXTINF:2.005333,\n\
             106.ts\n"
        ),
    );
    story.segment(94, Continuous);
    assert_playlist(
        &story.window.snapshot(),
        &format!(
            "{head}\
             #EXT-X-MEDIA-SEQUENCE:105\n\
             #EXT-X-DISCONTINUITY-SEQUENCE:9\n\
             #EXT-X-INDEPENDENT-SEGMENTS\n\
             #EXT-X-PROGRAM-DATE-TIME:2025-11-20T12:00:20.026Z\n\
             #EXTINF:2.005333,\n\
             105.ts\n\
             #EXTINF:2.005333,\n\
             106.ts\n\
             #EXTINF:2.005334,\n\
             107.ts\n"
        ),
    );
}

#[test]
fn setting_the_clock_corrects_dates_and_nothing_else() {
    let (mut story, scratch) = (Story::new(), Scratch::new("dates"));
    let (ledger, config, now) =
        (Ledger::open(scratch.file(), None), SegmentConfig::default(), story.clock.wall());
    let agreement = Agreement::new(&ledger, "radio", Numbering::Counted, &config, &now, Span::ZERO, &[]);
    story.clock.set_wall(WallTime::from_unix_nanos(0), Sync::Unsynchronised);
    let correction = story.look(&agreement).expect("the clock was set");
    assert!(matches!(correction, Correction::Set { sync: Sync::Unsynchronised, .. }));
    story.segment(94, Broken).segment(94, Continuous);
    let before = playlist(&story.window.snapshot());
    assert!(before.contains("#EXT-X-PROGRAM-DATE-TIME:1970-01-01T00:00:00.000Z\n"), "{before}");

    // Four seconds on, a time server is heard.
    story.clock.set_wall(WallTime::from_unix_nanos(1_763_640_004_010_666_666), Sync::Synchronised);
    let correction = story.look(&agreement);
    let (nanos, sync) = (1_763_640_000_000_000_000, Sync::Synchronised);
    assert_eq!(correction, Some(Correction::Set { nanos, sync }));
    let after = playlist(&story.window.snapshot());
    assert_eq!(after, before.replace("1970-01-01T00:00:00.000Z", "2025-11-20T12:00:00.000Z"));

    // What reading the clock takes is no step.
    for (nanos, step) in [(9_000_000, false), (-9_000_000, false), (11_000_000, true), (-500_000_000, true)] {
        let now = story.clock.wall().wall.as_unix_nanos();
        story.clock.set_wall(WallTime::from_unix_nanos(now + nanos), Sync::Synchronised);
        let expected = step.then_some(Correction::Set { nanos, sync: Sync::Synchronised });
        assert_eq!(story.look(&agreement), expected, "{nanos}");
        if !step {
            story.clock.set_wall(WallTime::from_unix_nanos(now), Sync::Synchronised);
        }
    }
}

#[test]
fn what_follows_a_suspension_is_dated_though_it_runs_on() {
    let (mut story, scratch) = (Story::bounded(60_000, 1 << 20), Scratch::new("asleep"));
    let (ledger, config, now) =
        (Ledger::open(scratch.file(), None), SegmentConfig::default(), story.clock.wall());
    let agreement = Agreement::new(&ledger, "camera", Numbering::Counted, &config, &now, Span::ZERO, &[]);
    let mut sequence = agreement.sequence("camera/video");
    let mut segment = |story: &mut Story, join| {
        let join = sequence.place(story.at, join, None).expect("all are counted").join;
        story.segment(94, join);
    };
    segment(&mut story, Continuous);
    // Within the second segment, which begins with a break: that is the one of both.
    story.clock.advance(Duration::from_secs(1));
    story.clock.suspend(Duration::from_secs(3600));
    assert!(matches!(story.look(&agreement), Some(Correction::Suspended { .. })));
    for join in [Broken, Continuous, Continuous] {
        segment(&mut story, join);
    }
    assert_playlist(
        &story.window.snapshot(),
        "#EXTM3U\n\
         #EXT-X-VERSION:8\n\
         #EXT-X-TARGETDURATION:2\n\
         #EXT-X-SERVER-CONTROL:CAN-SKIP-UNTIL=12.000000,CAN-SKIP-DATERANGES=YES\n\
         #EXT-X-MEDIA-SEQUENCE:100\n\
         #EXT-X-DISCONTINUITY-SEQUENCE:7\n\
         #EXT-X-INDEPENDENT-SEGMENTS\n\
         #EXT-X-DISCONTINUITY\n\
         #EXT-X-PROGRAM-DATE-TIME:2025-11-20T12:00:00.000Z\n\
         #EXTINF:2.005333,\n\
         100.ts\n\
         #EXT-X-DISCONTINUITY\n\
         #EXT-X-PROGRAM-DATE-TIME:2025-11-20T12:00:02.005Z\n\
         #EXTINF:2.005334,\n\
         101.ts\n\
         #EXT-X-PROGRAM-DATE-TIME:2025-11-20T13:00:04.010Z\n\
         #EXTINF:2.005333,\n\
         102.ts\n\
         #EXTINF:2.005333,\n\
         103.ts\n",
    );
}

#[test]
fn after_a_change_of_dates_everything_is_told_anew() {
    /// Whether each of so many more segments lets a delta leave some out.
    fn skips(story: &mut Story, count: u32) -> Vec<bool> {
        let skip = |story: &mut Story| {
            let snapshot = story.segment(94, Continuous).window.snapshot();
            let delta = media(&snapshot, &transport_stream(), Extent::Delta(Skip::Segments), &[]);
            assert_eq!(
                extent(&snapshot, Extent::Delta(Skip::Segments)) == Extent::Delta(Skip::Segments),
                delta.contains("#EXT-X-SKIP:")
            );
            delta.contains("#EXT-X-SKIP:")
        };
        (0..count).map(|_| skip(story)).collect()
    }
    let mut story = Story::bounded(60_000, 1 << 20);
    // Six targets of 2 s are all but six segments of 2.005 s.
    assert_eq!(skips(&mut story, 8), [false, false, false, false, false, false, true, true]);
    story.clock.set_wall(WallTime::from_unix_nanos(0), Sync::Synchronised);
    assert!(story.window.set_dates(Dates::of(&story.clock.wall())));
    assert_eq!(skips(&mut story, 7), [false, false, false, false, false, true, true]);
}

#[test]
fn bytes_bound_a_list_that_time_would_let_grow() {
    // Three segments listed, five just gone: they stay for four segments, and the next comes a hair early.
    let mut story = Story::bounded(60_000, 10 * 18_800);
    story.segment(94, Broken);
    for _ in 0..20 {
        story.segment(94, Continuous);
    }
    let snapshot = story.window.snapshot();
    assert_playlist(
        &snapshot,
        "#EXTM3U\n\
         #EXT-X-VERSION:8\n\
         #EXT-X-TARGETDURATION:2\n\
         #EXT-X-SERVER-CONTROL:CAN-SKIP-UNTIL=12.000000,CAN-SKIP-DATERANGES=YES\n\
         #EXT-X-MEDIA-SEQUENCE:118\n\
         #EXT-X-DISCONTINUITY-SEQUENCE:8\n\
         #EXT-X-INDEPENDENT-SEGMENTS\n\
         #EXT-X-PROGRAM-DATE-TIME:2025-11-20T12:00:36.096Z\n\
         #EXTINF:2.005333,\n\
         118.ts\n\
         #EXTINF:2.005334,\n\
         119.ts\n\
         #EXTINF:2.005333,\n\
         120.ts\n",
    );
    let retired: Vec<u64> = snapshot.retired.iter().map(|it| it.sequence).collect();
    assert_eq!(retired, [113, 114, 115, 116, 117]);
    assert_eq!(snapshot.rate, Rate { peak: 75_000, average: 75_000 });
}
