//! Single playlists.

use super::{names, only};
use crate::rules::{self, Finding, judge_text};
use crate::text::{Media, Multivariant};

const ORDINARY: &str = "#EXTM3U
#EXT-X-VERSION:8
#EXT-X-TARGETDURATION:2
#EXT-X-MEDIA-SEQUENCE:100
#EXT-X-DISCONTINUITY-SEQUENCE:4
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-DATERANGE:ID=\"one\",CLASS=\"radio\",START-DATE=\"2026-11-20T12:00:00.000Z\",DURATION=1.5,END-DATE=\"2026-11-20T12:00:01.500Z\"
#EXT-X-DATERANGE:ID=\"two\",CLASS=\"radio\",START-DATE=\"2026-11-20T12:00:02.000Z\",END-ON-NEXT=YES,X-LEVEL=\"-20\"
#EXT-X-PROGRAM-DATE-TIME:2026-11-20T12:00:00.000Z
#EXTINF:2.005333,
100.ts
#EXTINF:2.005334,
101.ts
#EXT-X-GAP
#EXTINF:1.989333,
102.ts
#EXT-X-DISCONTINUITY
#EXT-X-PROGRAM-DATE-TIME:2026-11-20T12:00:07.500Z
#EXT-X-KEY:METHOD=AES-128,URI=\"../keys/1.key\",IV=0x0123456789abcdef0123456789ABCDEF
#EXTINF:2,
103.ts
#EXT-X-KEY:METHOD=NONE
#EXTINF:2.4,with a title
104.ts
";
/// A rule, and what of the text above is replaced by what.
type Cases = &'static [(&'static str, &'static str, &'static str)];

const BROKEN: Cases = &[
    ("is_well_formed", "#EXTM3U\n", "# a comment\n#EXTM3U\n"),
    ("is_well_formed", "#EXT-X-VERSION:8\n", "#EXT-X-VERSION:8\n#EXT-X-VERSION:8\n"),
    ("is_well_formed", "#EXT-X-VERSION:8", "#EXT-X-VERSION:8\n#EXT-X-SOMETHING:1"),
    ("is_well_formed", "URI=\"../keys/1.key\"", "URI=../keys/1.key"),
    ("is_well_formed", "IV=0x0123456789abcdef0123456789ABCDEF", "IV=0x0123456789abcdefXX"),
    ("is_well_formed", "METHOD=NONE", "METHOD=\"NONE\""),
    ("is_well_formed", "DURATION=1.5", "DURATION=-1.5"),
    ("is_well_formed", "ID=\"one\"", "ID=\"one\",ID=\"one\""),
    ("is_well_formed", "ID=\"one\",CLASS=\"radio\"", "ID=\"one\",LEVEL=3,CLASS=\"radio\""),
    ("is_well_formed", "#EXTINF:2,\n103", "#EXTINF:2\n103"),
    ("is_well_formed", "#EXT-X-INDEPENDENT-SEGMENTS", "#EXT-X-INDEPENDENT-SEGMENTS "),
    ("is_well_formed", "104.ts\n", "104.ts\n#EXT-X-MEDIA-SEQUENCE:1\n"),
    ("m3u8_rs_reads_it", "2.4,with a title", "2.4,with a title, and more"),
    ("target_is_told", "#EXT-X-TARGETDURATION:2\n", ""),
    ("extinf_fits_the_target", "2.4,with", "2.5,with"),
    ("extinf_fits_the_target", "#EXTINF:2.4,", "#EXTINF:0,"),
    ("version_fits_the_tags", "VERSION:8", "VERSION:7"),
    ("sequence_is_told", "#EXT-X-MEDIA-SEQUENCE:100\n", ""),
    ("discontinuity_sequence_is_told", "#EXT-X-DISCONTINUITY-SEQUENCE:4\n", ""),
    ("live_has_no_type", "#EXT-X-TARGETDURATION", "#EXT-X-PLAYLIST-TYPE:EVENT\n#EXT-X-TARGETDURATION"),
    ("live_has_no_type", "#EXT-X-TARGETDURATION", "#EXT-X-PLAYLIST-TYPE:VOD\n#EXT-X-TARGETDURATION"),
    ("segments_are_independent", "#EXT-X-INDEPENDENT-SEGMENTS\n", ""),
    ("begins_with_a_date", "#EXT-X-PROGRAM-DATE-TIME:2026-11-20T12:00:00.000Z\n", ""),
    ("dates_each_discontinuity", "#EXT-X-PROGRAM-DATE-TIME:2026-11-20T12:00:07.500Z\n", ""),
    ("dates_are_of_utc", "07.500Z", "07.500+00:00"),
    ("dates_are_of_utc", "07.500Z", "07.5Z"),
    ("dates_follow_the_durations", "07.500Z", "04.500Z"),
    (
        "dates_follow_the_durations",
        "#EXTINF:2.4",
        "#EXT-X-PROGRAM-DATE-TIME:2026-11-20T12:00:09.540Z\n#EXTINF:2.4",
    ),
    ("keys_can_be_used", "URI=\"../keys/1.key\",", ""),
    ("keys_can_be_used", "0x0123456789abcdef0123456789ABCDEF", "0x0123456789abcdef"),
    ("fragments_have_a_map", "101.ts", "101.m4s"),
    ("no_uri_stands_twice", "101.ts", "100.ts"),
    ("dateranges_make_sense", "ID=\"two\"", "ID=\"one\""),
    ("dateranges_make_sense", "ID=\"two\",CLASS=\"radio\"", "ID=\"two\""),
    ("dateranges_make_sense", "END-ON-NEXT=YES", "END-ON-NEXT=YES,DURATION=2"),
    ("dateranges_add_up", "12:00:01.500Z", "12:00:01.502Z"),
    ("dateranges_add_up", "DURATION=1.5", "DURATION=1.498"),
    ("dateranges_add_up", "DURATION=1.5,END-DATE=\"2026-11-20T12:00:01", "END-DATE=\"2026-11-20T11:59:59"),
    ("is_well_formed", ",START-DATE=\"2026-11-20T12:00:02.000Z\"", ""),
    ("is_well_formed", "START-DATE=\"2026-11-20T12:00:02.000Z\"", "START-DATE=\"two o'clock\""),
    ("start_is_not_at_the_end", "#EXT-X-INDEPENDENT", "#EXT-X-START:TIME-OFFSET=-5.5\n#EXT-X-INDEPENDENT"),
    (
        "is_well_formed",
        "#EXT-X-INDEPENDENT",
        "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=yes\n#EXT-X-INDEPENDENT",
    ),
    ("is_well_formed", "#EXT-X-INDEPENDENT", "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD\n#EXT-X-INDEPENDENT"),
    ("is_well_formed", "#EXT-X-INDEPENDENT", "#EXT-X-START:TIME-OFFSET=-.5.5\n#EXT-X-INDEPENDENT"),
    ("is_well_formed", "102.ts\n", "102.ts\n102b.ts\n"),
    ("is_well_formed", "104.ts\n", "104.ts\n#EXTINF:2,\n"),
    ("is_well_formed", "104.ts\n", "104.ts"),
    ("is_well_formed", "DURATION:2\n", "DURATION:2.0\n"),
    ("is_well_formed", "11-20T12:00:07.500Z", "13-20T12:00:07.500Z"),
    ("hold_back_is_enough", "#EXT-X-INDEPENDENT", "#EXT-X-SERVER-CONTROL:HOLD-BACK=5.9\n#EXT-X-INDEPENDENT"),
    (
        "skip_is_far_enough",
        "#EXT-X-INDEPENDENT",
        "#EXT-X-SERVER-CONTROL:CAN-SKIP-UNTIL=11.9\n#EXT-X-INDEPENDENT",
    ),
];

const LOW_LATENCY: &str = "#EXTM3U
#EXT-X-VERSION:9
#EXT-X-TARGETDURATION:1
#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=1.26,HOLD-BACK=3.0,CAN-SKIP-UNTIL=6.0
#EXT-X-PART-INF:PART-TARGET=0.42
#EXT-X-MEDIA-SEQUENCE:0
#EXT-X-DISCONTINUITY-SEQUENCE:0
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-MAP:URI=\"init-0.mp4\"
#EXT-X-PROGRAM-DATE-TIME:2026-11-20T11:59:59.000Z
#EXTINF:1.0,
0.m4s
#EXTINF:1.0,
1.m4s
#EXTINF:1.0,
2.m4s
#EXTINF:1.0,
3.m4s
#EXT-X-PART:DURATION=0.4,URI=\"4.0.m4s\",INDEPENDENT=YES
#EXT-X-PART:DURATION=0.4,URI=\"4.1.m4s\"
#EXT-X-PART:DURATION=0.2,URI=\"4.2.m4s\"
#EXTINF:1.0,
4.m4s
#EXT-X-PART:DURATION=0.4,URI=\"5.0.m4s\",INDEPENDENT=YES
#EXT-X-PART:DURATION=0.2,URI=\"5.1.m4s\"
#EXT-X-PART:DURATION=0.4,URI=\"5.2.m4s\",GAP=YES
#EXTINF:1.0,
5.m4s
#EXT-X-DISCONTINUITY
#EXT-X-MAP:URI=\"init-1.mp4\"
#EXT-X-PROGRAM-DATE-TIME:2026-11-20T12:00:05.000Z
#EXT-X-PART:DURATION=0.4,URI=\"6.0.m4s\",INDEPENDENT=YES
#EXT-X-PART:DURATION=0.4,URI=\"6.1.m4s\"
#EXT-X-PART:DURATION=0.2,URI=\"6.2.m4s\"
#EXTINF:1.0,
6.m4s
#EXT-X-PART:DURATION=0.4,URI=\"7.0.m4s\",INDEPENDENT=YES
#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"7.1.m4s\"
#EXT-X-RENDITION-REPORT:URI=\"../audio/index.m3u8\",LAST-MSN=7,LAST-PART=0
";

const BROKEN_LOW: Cases = &[
    (
        "is_well_formed",
        ",INDEPENDENT=YES\n#EXT-X-PART:DURATION=0.4,URI=\"6.1",
        ",INDEPENDENT=NO\n#EXT-X-PART:DURATION=0.4,URI=\"6.1",
    ),
    ("is_well_formed", "TYPE=PART", "TYPE=PARTS"),
    ("version_fits_the_tags", "VERSION:9", "VERSION:7"),
    ("fragments_have_a_map", "#EXT-X-MAP:URI=\"init-0.mp4\"\n", ""),
    ("part_target_is_told", "#EXT-X-PART-INF:PART-TARGET=0.42\n", ""),
    ("parts_fit_the_part_target", "0.4,URI=\"6.1", "0.421,URI=\"6.1"),
    (
        "parts_are_long_enough",
        "0.4,URI=\"6.1.m4s\"\n#EXT-X-PART:DURATION=0.2",
        "0.35,URI=\"6.1.m4s\"\n#EXT-X-PART:DURATION=0.25",
    ),
    (
        "parts_are_long_enough",
        "0.2,URI=\"5.1.m4s\"\n#EXT-X-PART:DURATION=0.4,URI=\"5.2.m4s\",GAP=YES",
        "0.2,URI=\"5.1.m4s\"\n#EXT-X-PART:DURATION=0.4,URI=\"5.2.m4s\"",
    ),
    ("parts_make_up_the_duration", "#EXT-X-PART:DURATION=0.2,URI=\"6.2.m4s\"\n", ""),
    ("parts_make_up_the_duration", "0.2,URI=\"6.2", "0.24,URI=\"6.2"),
    (
        "tags_precede_the_parts",
        "#EXT-X-MAP:URI=\"init-1.mp4\"\n#EXT-X-PROGRAM-DATE-TIME:2026-11-20T12:00:05.000Z\n\
      #EXT-X-PART:DURATION=0.4,URI=\"6.0.m4s\",INDEPENDENT=YES\n",
        "#EXT-X-PROGRAM-DATE-TIME:2026-11-20T12:00:05.000Z\n\
      #EXT-X-PART:DURATION=0.4,URI=\"6.0.m4s\",INDEPENDENT=YES\n#EXT-X-MAP:URI=\"init-1.mp4\"\n",
    ),
    ("tags_precede_the_parts", "#EXT-X-PRELOAD", "#EXT-X-DISCONTINUITY\n#EXT-X-PRELOAD"),
    ("segments_begin_independently", "7.0.m4s\",INDEPENDENT=YES", "7.0.m4s\""),
    (
        "parts_stand_near_the_end",
        "#EXTINF:1.0,\n1.m4s",
        "#EXT-X-PART:DURATION=0.42,URI=\"1.0.m4s\",INDEPENDENT=YES\n#EXT-X-PART:DURATION=0.42,URI=\"1.1.m4s\"\n\
         #EXT-X-PART:DURATION=0.16,URI=\"1.2.m4s\"\n#EXTINF:1.0,\n1.m4s",
    ),
    (
        "parts_stand_near_the_end",
        "#EXT-X-PART:DURATION=0.4,URI=\"5.0.m4s\",INDEPENDENT=YES\n\
      #EXT-X-PART:DURATION=0.2,URI=\"5.1.m4s\"\n#EXT-X-PART:DURATION=0.4,URI=\"5.2.m4s\",GAP=YES\n",
        "",
    ),
    ("part_hold_back_is_enough", "PART-HOLD-BACK=1.26", "PART-HOLD-BACK=1.25"),
    ("part_hold_back_is_enough", "PART-HOLD-BACK=1.26,", ""),
    ("hold_back_is_enough", ",HOLD-BACK=3.0", ",HOLD-BACK=2.9"),
    ("skip_is_far_enough", "UNTIL=6.0", "UNTIL=5.0"),
    ("blocking_is_offered", "CAN-BLOCK-RELOAD=YES", "CAN-BLOCK-RELOAD=NO"),
    ("one_part_is_hinted", "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"7.1.m4s\"\n", ""),
    (
        "one_part_is_hinted",
        "#EXT-X-RENDITION",
        "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"7.2.m4s\"\n#EXT-X-RENDITION",
    ),
    ("hint_is_of_the_future", "TYPE=PART,URI=\"7.1", "TYPE=PART,URI=\"7.0"),
    ("no_uri_stands_twice", "6.1.m4s", "6.0.m4s"),
    ("reports_tell_the_part", ",LAST-PART=0", ""),
    ("reports_tell_the_part", "../audio", "http://elsewhere/audio"),
];

/// What one gets who asks for the same without what is old.
fn delta() -> String {
    let (head, rest) = LOW_LATENCY.split_once("#EXT-X-MAP").expect("it is there");
    let (_, new) = rest.split_once("0.m4s\n").expect("it is there");
    format!("{head}#EXT-X-SKIP:SKIPPED-SEGMENTS=1\n{new}")
}

const BROKEN_DELTA: Cases = &[
    ("version_fits_the_tags", "VERSION:9", "VERSION:8"),
    ("version_fits_the_tags", "SEGMENTS=1", "SEGMENTS=1,RECENTLY-REMOVED-DATERANGES=\"\""),
    ("is_well_formed", "SKIPPED-SEGMENTS=1", "SKIPPED-SEGMENTS=one"),
    ("delta_keeps_what_is_new", ",CAN-SKIP-UNTIL=6.0", ""),
    ("delta_keeps_what_is_new", "UNTIL=6.0", "UNTIL=6.5"),
];

const MULTIVARIANT: &str = "#EXTM3U
#EXT-X-VERSION:7
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"sound\",NAME=\"Sound\",DEFAULT=YES,AUTOSELECT=YES,URI=\"audio/index.m3u8\"
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"sound\",NAME=\"Other\",URI=\"other/index.m3u8\"
#EXT-X-STREAM-INF:BANDWIDTH=2000000,AVERAGE-BANDWIDTH=1900000,CODECS=\"avc1.42c01f,mp4a.40.2\",RESOLUTION=1280x720,FRAME-RATE=30.000,AUDIO=\"sound\"
video/index.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=70000,AVERAGE-BANDWIDTH=69000,CODECS=\"mp4a.40.2\",AUDIO=\"sound\"
audio/index.m3u8
";

const BROKEN_MULTIVARIANT: Cases = &[
    ("master_is_well_formed", "BANDWIDTH=70000,", "BANDWIDTH=70000,BANDWIDTH=70000,"),
    ("master_is_well_formed", "RESOLUTION=1280x720", "RESOLUTION=\"1280x720\""),
    ("master_is_well_formed", "BANDWIDTH=70000,AVERAGE-", "AVERAGE-"),
    ("master_is_well_formed", "video/index.m3u8\n", "video/index.m3u8\nvideo/other.m3u8\n"),
    ("master_is_well_formed", "VERSION:7", "VERSION:7\n#EXT-X-TARGETDURATION:2"),
    ("m3u8_rs_reads_the_master", "1280x720", "99999999999999999999x720"),
    ("codecs_are_told", ",CODECS=\"mp4a.40.2\"", ""),
    ("pictures_have_a_size", ",RESOLUTION=1280x720", ""),
    ("pictures_have_a_rate", ",FRAME-RATE=30.000", ""),
    ("pictures_have_a_rate", "CODECS=\"mp4a.40.2\"", "CODECS=\"mp4a.40.2\",FRAME-RATE=30.000"),
    ("average_is_told", ",AVERAGE-BANDWIDTH=69000", ""),
    ("average_is_told", ",AVERAGE-BANDWIDTH=69000", ",AVERAGE-BANDWIDTH=79000"),
    ("master_says_independent", "#EXT-X-INDEPENDENT-SEGMENTS\n", ""),
    ("groups_exist", "FRAME-RATE=30.000,AUDIO=\"sound\"", "FRAME-RATE=30.000,AUDIO=\"noise\""),
    ("groups_are_consistent", "NAME=\"Other\"", "NAME=\"Sound\""),
    ("groups_are_consistent", "NAME=\"Other\"", "NAME=\"Other\",DEFAULT=YES"),
    ("groups_are_consistent", "AUTOSELECT=YES", "AUTOSELECT=NO"),
    ("no_variant_stands_twice", "\naudio/index.m3u8", "\nvideo/index.m3u8"),
];

/// The rules the tables above try.
pub(super) fn tried() -> impl Iterator<Item = &'static str> {
    let media = [BROKEN, BROKEN_LOW, BROKEN_DELTA, BROKEN_MULTIVARIANT].into_iter().flatten();
    media.map(|(rule, ..)| *rule).chain(["variants_are_there"])
}

/// Breaks `good` as each line of `table` says, and has the result judged.
fn try_all(good: &str, table: Cases, judged: impl Fn(&str) -> Vec<Finding>) {
    let found = judged(good);
    assert!(found.is_empty(), "{found:#?}");
    let mut missed = Vec::new();
    for (rule, from, to) in table {
        assert_eq!(good.matches(from).count(), 1, "{from:?} stands once");
        let found = names(&judged(&good.replace(from, to)));
        missed.extend(
            (found != [*rule]).then(|| format!("{from:?} became {to:?}: {found:?} instead of {rule}")),
        );
    }
    assert!(missed.is_empty(), "{missed:#?}");
}

fn media(text: &str) -> Vec<Finding> {
    judge_text(&rules::MEDIA, &Media::read(text), "")
}

#[test]
fn an_ordinary_playlist() {
    try_all(ORDINARY, BROKEN, media);
}

#[test]
fn a_playlist_of_low_latency() {
    try_all(LOW_LATENCY, BROKEN_LOW, media);
}

#[test]
fn a_delta_update() {
    try_all(&delta(), BROKEN_DELTA, media);
}

#[test]
fn a_multivariant_playlist() {
    let judged = |text: &str| judge_text(&rules::MULTIVARIANT, &Multivariant::read(text), "");
    try_all(MULTIVARIANT, BROKEN_MULTIVARIANT, judged);
    only("variants_are_there", &judged("#EXTM3U\n#EXT-X-INDEPENDENT-SEGMENTS\n"));
}

#[test]
fn a_finished_playlist_may_say_so() {
    let finished = format!(
        "{}#EXT-X-ENDLIST\n",
        ORDINARY.replace("#EXT-X-TARGET", "#EXT-X-PLAYLIST-TYPE:VOD\n#EXT-X-TARGET")
    );
    assert!(media(&finished).is_empty(), "{:#?}", media(&finished));
}
