//! Playlists over time, and what they lead to.

use std::sync::Arc;
use std::time::Duration;

use super::world::{answer, delta_text, file, listing, low_latency, low_text, ordinary, ordinary_text};
use super::{names, only};
use crate::rules::judge_all;
use crate::seen::{Fetch, Rendition, Stream};
use crate::text::{Media, Multivariant};

/// A rule, and what happens to a good stream so that it is broken.
type Case = (&'static str, fn(&mut Stream));

/// What is changed is the first rendition, where the case does not say otherwise.
fn one(stream: &mut Stream) -> &mut Rendition {
    &mut stream.renditions[0]
}

/// Has one listing of the first rendition say something else.
fn edit(stream: &mut Stream, at: usize, from: &str, to: &str) {
    edit_in(one(stream), at, from, to);
}

fn edit_in(rendition: &mut Rendition, at: usize, from: &str, to: &str) {
    let media = &mut rendition.listings[at].media;
    assert!(media.text.contains(from), "{from:?} is not in {}", media.text);
    *media = Media::read(&media.text.replacen(from, to, 1));
}

fn delay(stream: &mut Stream, from: usize, seconds: u64) {
    for rendition in &mut stream.renditions {
        for listing in &mut rendition.listings[from..] {
            listing.answer.begun += Duration::from_secs(seconds);
        }
    }
}

fn fetched<'a>(stream: &'a mut Stream, uri: &str) -> &'a mut Fetch {
    one(stream).files.iter_mut().find(|fetch| fetch.uri == uri).expect("it was fetched")
}

const ORDINARY: &[Case] = &[
    // Only the last can change without the next being a change back, which counts once: by rule.
    ("settings_stay", |it| {
        for rendition in &mut it.renditions {
            edit_in(rendition, 8, "TARGETDURATION:2", "TARGETDURATION:3");
        }
    }),
    ("numbers_never_go_back", |it| {
        one(it).listings.truncate(1);
        it.renditions.truncate(1);
        one(it).listings.push(listing("index.m3u8", 7.0, &ordinary_text(2)));
    }),
    ("no_number_is_left_out", |it| {
        it.renditions.truncate(1);
        one(it).listings = vec![
            listing("index.m3u8", 6.0, &ordinary_text(3)),
            listing(
                "index.m3u8",
                7.0,
                &ordinary_text(11).replace("DISCONTINUITY-SEQUENCE:1", "DISCONTINUITY-SEQUENCE:2"),
            ),
        ];
    }),
    ("segments_stay_as_they_are", |it| edit(it, 2, "104.ts", "104.ts?again")),
    ("discontinuities_are_counted", |it| {
        for rendition in &mut it.renditions {
            for at in 3..9 {
                edit_in(rendition, at, "DISCONTINUITY-SEQUENCE:1", "DISCONTINUITY-SEQUENCE:0");
            }
        }
    }),
    ("dates_stay", |it| {
        it.renditions.truncate(1);
        let text = ordinary_text(5).replace(
            "#EXTINF:2.000000,\n103.ts",
            "#EXTINF:2.000000,\n103.ts\n#EXT-X-PROGRAM-DATE-TIME:2026-11-20T12:00:08.030Z",
        );
        one(it).listings[2].media = Media::read(&text);
        for listing in &mut one(it).listings {
            listing.media.frame = 0.02;
        }
        one(it).listings[2].media.frame = 0.04;
    }),
    ("dateranges_stay", |it| edit(it, 4, "ID=\"a-1\",CLASS=\"radio\"", "ID=\"a-1\",CLASS=\"door\"")),
    ("dateranges_stay", |it| edit(it, 4, "12:00:01.000Z", "12:00:01.010Z")),
    ("dateranges_stay", |it| edit(it, 5, ",DURATION=9.500", "")),
    ("dateranges_remain", |it| unsay(&mut one(it).listings[4].media, "a-1")),
    ("three_targets_remain", |it| {
        it.renditions.truncate(1);
        let text = ordinary_text(11).replace("SEQUENCE:106", "SEQUENCE:109");
        let (head, rest) = text.split_once("#EXTINF:2.000000,\n106").expect("it is there");
        let head = head.replace("12:00:12", "12:00:18");
        let rest = &rest[rest.find("#EXTINF:2.000000,\n109").expect("it is there")..];
        one(it).listings[8].media = Media::read(&format!("{head}{rest}"));
    }),
    ("segments_come_in_time", |it| delay(it, 5, 2)),
    ("an_end_is_the_end", |it| {
        it.renditions.truncate(1);
        let listing = &mut one(it).listings[7];
        listing.media = Media::read(&format!("{}#EXT-X-ENDLIST\n", listing.media.text));
    }),
    ("playlists_come", |it| {
        let mut late = answer("index.m3u8", 9.0, "text/plain", "no-store", b"");
        late.status = 503;
        one(it).lost.push(late);
    }),
    ("playlists_have_their_type", |it| set(it, "content-type", "text/plain")),
    ("playlists_are_compressed", |it| set(it, "content-encoding", "")),
    ("playlists_are_not_kept_long", |it| set(it, "cache-control", "max-age=2")),
    ("other_sites_may_play", |it| set(it, "access-control-allow-origin", "https://example.org")),
    ("media_is_not_redirected", |it| fetched(it, "103.ts").answer.status = 302),
    ("owed_files_come", |it| one(it).files[5].answer.status = 404),
    ("files_come_at_once", |it| fetched(it, "103.ts").answer.ended += Duration::from_secs(3)),
    ("files_never_change", |it| change(&mut one(it).files[5], |body| body[187] = 0)),
    ("files_have_their_type", |it| {
        fetched(it, "103.ts").answer.fields.insert("content-type".into(), "audio/aac".into());
    }),
    ("files_are_kept_long", |it| {
        fetched(it, "103.ts").answer.fields.insert("cache-control".into(), "no-store".into());
    }),
    ("keys_are_keys", |it| one(it).files.push(file("../keys/1.key", 3.0, &[1; 15]))),
    ("transport_streams_are_whole", |it| Arc::make_mut(&mut fetched(it, "110.ts").clear).clear()),
    ("transport_streams_are_whole", |it| both(it, "103.ts", |body| body.rotate_left(188))),
    ("counters_run_on", |it| {
        both(it, "103.ts", |body| {
            for packet in body.chunks_mut(188) {
                packet[3] = 0x10 | (packet[3] + 1) & 15;
            }
        });
    }),
    ("segments_begin_with_a_key_picture", |it| {
        both(it, "103.ts", |body| {
            let slice = body.windows(4).position(|it| it == [0, 0, 1, 0x65]).expect("an IDR picture");
            body[slice + 3] = 0x41;
        });
    }),
    ("durations_are_those_of_the_media", |it| {
        it.renditions.truncate(1);
        // PTS, bits 14 to 7: 42 ms with 15 more.
        both(it, "103.ts", |body| body[2 * 188 + 4 + 12] ^= 0x1e);
    }),
    ("settings_agree", |it| {
        for at in 0..9 {
            edit(it, at, "TARGETDURATION:2", "TARGETDURATION:3");
        }
        it.renditions.iter_mut().flat_map(|it| &mut it.listings).for_each(|it| it.media.frame = 5.0);
    }),
    ("numbers_agree", |it| {
        for at in 0..9 {
            let media = &mut one(it).listings[at].media;
            let text = media.text.replace("MEDIA-SEQUENCE:10", "MEDIA-SEQUENCE:20");
            *media = Media::read(&text);
        }
    }),
    ("dates_agree", |it| {
        for at in 0..9 {
            let media = &mut one(it).listings[at].media;
            *media = Media::read(&media.text.replace(".000Z", ".100Z"));
        }
    }),
    ("discontinuities_agree", |it| {
        for at in 0..9 {
            let media = &mut one(it).listings[at].media;
            let text = media.text.replace("DISCONTINUITY-SEQUENCE:1", "DISCONTINUITY-SEQUENCE:3");
            *media = Media::read(&text.replace("DISCONTINUITY-SEQUENCE:0", "DISCONTINUITY-SEQUENCE:2"));
        }
    }),
    ("windows_agree", |it| {
        let late = &mut it.renditions[1];
        late.listings = (3..12)
            .map(|done| listing("index.m3u8", 2.0 * done as f64 + 2.5, &ordinary_text(done)))
            .collect();
    }),
    ("peak_is_within_bandwidth", |it| {
        multivariant(
            it,
            "BANDWIDTH=3100,AVERAGE-BANDWIDTH=3050,CODECS=\"avc",
            "BANDWIDTH=3000,AVERAGE-BANDWIDTH=2999,CODECS=\"avc",
        )
    }),
    ("average_is_true", |it| {
        multivariant(it, "AVERAGE-BANDWIDTH=3050,CODECS=\"avc", "AVERAGE-BANDWIDTH=2000,CODECS=\"avc")
    }),
    ("what_is_told_is_in_it", |it| multivariant(it, "1280x720", "640x360")),
    ("what_is_told_is_in_it", |it| multivariant(it, "FRAME-RATE=30", "FRAME-RATE=25")),
    ("what_is_told_is_in_it", |it| multivariant(it, "avc1.42c01f", "avc1.64001f")),
    ("what_is_told_is_in_it", |it| {
        // More may be told where there are several codings, but not less.
        let last = "#EXTINF:2.000000,\n110.ts";
        let broken =
            format!("#EXT-X-DISCONTINUITY\n#EXT-X-PROGRAM-DATE-TIME:2026-11-20T12:00:20.000Z\n{last}");
        it.renditions.iter_mut().for_each(|rendition| edit_in(rendition, 8, last, &broken));
        one(it).probe.as_mut().expect("probed").size = Some("1920x1080".to_owned());
    }),
    ("no_segment_has_two_sounds", |it| one(it).probe.as_mut().expect("probed").sounds = 2),
];

const LOW_LATENCY: &[Case] = &[
    ("parts_stay_as_they_are", |it| edit(it, 2, "DURATION=0.5,URI=\"108.1", "DURATION=0.49,URI=\"108.1")),
    ("parts_come_in_time", |it| {
        for rendition in &mut it.renditions {
            rendition.listings[9].answer.begun += Duration::from_millis(600);
            rendition.listings[10].answer.begun += Duration::from_millis(150);
        }
    }),
    ("hints_come_true", |it| {
        edit(it, 1, "URI=\"108.1.m4s\"\n#EXT-X-REND", "URI=\"108.1.m4s?\"\n#EXT-X-REND")
    }),
    ("held_until_it_is_there", |it| one(it).held[3].answer.path = "index.m3u8?_HLS_msn=108".to_owned()),
    ("held_until_it_is_there", |it| {
        one(it).held[2].answer.path = "index.m3u8?_HLS_msn=108&_HLS_part=2".to_owned()
    }),
    ("held_until_it_is_there", |it| one(it).held[2].answer.status = 503),
    ("the_whole_is_given", |it| {
        let text = delta_text(41, "../audio/index.m3u8");
        one(it).held.push(listing("index.m3u8?_HLS_msn=100", 30.0, &text));
    }),
    ("nonsense_is_refused", |it| one(it).refused[0].0.status = 200),
    ("nonsense_is_refused", |it| {
        let there = answer("999.m4s", 3.0, "text/plain", "", b"");
        one(it).refused.push((there, 404));
    }),
    ("deltas_make_the_whole", |it| skip(it, "SKIPPED-SEGMENTS=2", "SKIPPED-SEGMENTS=1")),
    ("deltas_make_the_whole", |it| skip(it, "SKIPPED-SEGMENTS=2", "SKIPPED-SEGMENTS=4")),
    ("deltas_make_the_whole", |it| skip(it, "PART-TARGET=0.5", "PART-TARGET=0.6")),
    ("deltas_make_the_whole", |it| skip(it, "109.m4s", "109b.m4s")),
    ("deltas_make_the_dateranges", |it| {
        skip(it, "PART-TARGET=0.5", "PART-TARGET=0.5");
        unsay(&mut one(it).deltas[0].delta, "a-1");
    }),
    ("deltas_make_the_dateranges", |it| unsay(&mut one(it).deltas[1].delta, "a-3")),
    ("deltas_make_the_dateranges", |it| lean(it, "=\"a-0\"", "=\"\"")),
    ("deltas_make_the_dateranges", |it| lean(it, "=\"a-0\"", "=\"a-0\ta-1\"")),
    ("deltas_make_the_dateranges", |it| lean(it, "CLASS=\"radio\"", "CLASS=\"door\"")),
    ("hinted_parts_come_whole", |it| fetched(it, "111.2.m4s").answer.ended += Duration::from_millis(400)),
    ("parts_make_the_segment", |it| {
        both(it, "109.2.m4s", |body| *body.last_mut().expect("it is not empty") += 1);
    }),
    ("fragments_are_whole", |it| {
        both(it, "init-0.mp4", |body| {
            body[8..12].copy_from_slice(b"isom");
            body[16..20].copy_from_slice(b"isom");
        });
    }),
    ("fragments_run_on", |it| {
        // The last byte of a tfdt, so little that it is no picture.
        for uri in ["109.m4s", "109.0.m4s"] {
            both(it, uri, |body| {
                let tfdt = body.windows(4).position(|it| it == b"tfdt").expect("a tfdt");
                body[tfdt + 15] += 1;
            });
        }
    }),
    ("parts_last_what_they_say", |it| {
        // Samples of 220 ms.
        both(it, "111.2.m4s", |body| {
            let tfhd = body.windows(4).position(|it| it == b"tfhd").expect("a tfhd");
            body[tfhd + 15] -= 30;
        });
    }),
    ("every_other_is_reported", |it| {
        for listing in it.renditions.iter_mut().flat_map(|it| &mut it.listings) {
            let (text, _) = listing.media.text.split_once("#EXT-X-RENDITION").expect("a report");
            listing.media = Media::read(text);
        }
    }),
    ("reports_are_true", |it| edit(it, 6, "LAST-MSN=109,LAST-PART=1", "LAST-MSN=108,LAST-PART=3")),
    ("reports_are_true", |it| edit(it, 5, "LAST-MSN=109,LAST-PART=0", "LAST-MSN=110,LAST-PART=0")),
];

fn set(stream: &mut Stream, name: &str, value: &str) {
    one(stream).listings[4].answer.fields.insert(name.to_owned(), value.to_owned());
}

/// Changes the bytes of a file.
fn change(fetch: &mut Fetch, change: impl Fn(&mut Vec<u8>)) {
    change(Arc::make_mut(&mut fetch.answer.body));
    fetch.clear = Arc::clone(&fetch.answer.body);
}

/// Changes a file each time it was fetched.
fn both(stream: &mut Stream, uri: &str, by: impl Fn(&mut Vec<u8>)) {
    let files = one(stream).files.iter_mut().filter(|fetch| fetch.uri == uri);
    files.for_each(|fetch| change(fetch, &by));
}

fn multivariant(stream: &mut Stream, from: &str, to: &str) {
    let read = &mut stream.multivariants[0].1;
    assert!(read.text.contains(from), "{from:?} is not in {}", read.text);
    *read = Multivariant::read(&read.text.replace(from, to));
}

fn skip(stream: &mut Stream, from: &str, to: &str) {
    let delta = &mut one(stream).deltas[0];
    assert!(delta.delta.text.contains(from), "{from:?} is not in {}", delta.delta.text);
    delta.delta = Media::read(&delta.delta.text.replace(from, to));
    // It had been the same instant.
    delta.after = Media::read(&low_text(41, "../audio/index.m3u8"));
}

/// The same of the delta that leaves out date ranges.
fn lean(stream: &mut Stream, from: &str, to: &str) {
    let delta = &mut one(stream).deltas[1].delta;
    assert!(delta.text.contains(from), "{from:?} is not in {}", delta.text);
    *delta = Media::read(&delta.text.replace(from, to));
}

/// Tells no more of a date range.
fn unsay(media: &mut Media, id: &str) {
    let said = |line: &&str| line.contains(&format!("ID=\"{id}\""));
    assert_eq!(media.text.lines().filter(said).count(), 1, "{id} is in {}", media.text);
    let rest: String =
        media.text.lines().filter(|line| !said(line)).map(|line| format!("{line}\n")).collect();
    *media = Media::read(&rest);
}

/// The rules the tables above try.
pub(super) fn tried() -> impl Iterator<Item = &'static str> {
    ORDINARY.iter().chain(LOW_LATENCY).map(|(rule, _)| *rule)
}

fn try_all(good: fn() -> Stream, table: &[Case]) {
    let found = judge_all(&good(), "");
    assert!(found.is_empty(), "{found:#?}");
    let mut missed = Vec::new();
    for (at, (rule, spoil)) in table.iter().enumerate() {
        let mut stream = good();
        spoil(&mut stream);
        let found = judge_all(&stream, "");
        missed.extend((names(&found) != [*rule]).then(|| format!("case {at}, {rule}: {found:#?}")));
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

#[test]
fn an_ordinary_stream() {
    try_all(ordinary, ORDINARY);
}

#[test]
fn a_stream_of_low_latency() {
    try_all(low_latency, LOW_LATENCY);
}

#[test]
fn a_clock_that_is_set_moves_all_dates() {
    let mut stream = ordinary();
    stream.renditions.truncate(1);
    for at in 4..9 {
        let media = &mut one(&mut stream).listings[at].media;
        *media = Media::read(&media.text.replace("2026-11-20T12", "2026-11-20T13"));
    }
    assert!(judge_all(&stream, "").is_empty());
    // One alone is no clock.
    edit(&mut stream, 8, "2026-11-20T13:00:12.000Z", "2026-11-20T13:00:12.000Z");
    let text = stream.renditions[0].listings[8]
        .media
        .text
        .replace("107.ts\n", "107.ts\n#EXT-X-PROGRAM-DATE-TIME:2026-11-20T12:00:16.000Z\n");
    stream.renditions[0].listings[8].media = Media::read(&text);
    assert!(names(&judge_all(&stream, "")).contains(&"dates_stay"));
}

#[test]
fn what_is_told_otherwise_has_another_name() {
    let mut stream = ordinary();
    for at in 4..8 {
        edit(&mut stream, at, "ID=\"a-1\",CLASS=\"radio\"", "ID=\"a-1.1\",CLASS=\"door\"");
    }
    let found = judge_all(&stream, "");
    assert!(found.is_empty(), "{found:#?}");
    edit(&mut stream, 7, "a-1.1", "b-1.1");
    only("dateranges_remain", &judge_all(&stream, ""));
}

#[test]
fn a_restart_excuses_a_pause_and_nothing_else() {
    let mut stream = ordinary();
    delay(&mut stream, 5, 4);
    only("segments_come_in_time", &judge_all(&stream, ""));
    for rendition in &mut stream.renditions {
        rendition.listings[5].after_trouble = true;
    }
    assert!(judge_all(&stream, "").is_empty());
    edit(&mut stream, 5, "106.ts", "107b.ts");
    only("segments_stay_as_they_are", &judge_all(&stream, ""));
}

#[test]
fn a_restart_begins_a_new_measure_of_bit_rates() {
    let mut stream = ordinary();
    let rendition = one(&mut stream);
    let first = |it: &Rendition| it.segments_since_trouble().first().map(|segment| segment.number);
    assert_eq!(first(rendition), Some(100));
    rendition.listings[8].after_trouble = true;
    assert_eq!(first(rendition), Some(106), "those before it are not listed any more");
}
