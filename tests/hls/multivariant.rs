//! The multivariant playlist as whole text.

use outpost::playlist::{Group, Resolution, Variant, multivariant};
use outpost::segment::Rate;

fn audio() -> Variant {
    Variant {
        uri: "audio/index.m3u8".into(),
        rate: Rate { peak: 71_250, average: 69_120 },
        codecs: "mp4a.40.2".into(),
        resolution: None,
        frame_rate: None,
        audio: None,
    }
}

fn video() -> Variant {
    Variant {
        uri: "hd/index.m3u8".into(),
        rate: Rate { peak: 2_400_000, average: 2_100_000 },
        codecs: "avc1.64001f,mp4a.40.2".into(),
        resolution: Some(Resolution { width: 1280, height: 720 }),
        frame_rate: Some(30_000.0 / 1001.0),
        audio: None,
    }
}

#[test]
fn variants() {
    let text = multivariant(&[video(), audio()], &[], None);
    assert_eq!(
        text,
        "#EXTM3U\n\
         #EXT-X-VERSION:3\n\
         #EXT-X-INDEPENDENT-SEGMENTS\n\
         #EXT-X-STREAM-INF:BANDWIDTH=2400000,AVERAGE-BANDWIDTH=2100000,CODECS=\"avc1.64001f,mp4a.40.2\",\
         RESOLUTION=1280x720,FRAME-RATE=29.970\n\
         hd/index.m3u8\n\
         #EXT-X-STREAM-INF:BANDWIDTH=71250,AVERAGE-BANDWIDTH=69120,CODECS=\"mp4a.40.2\"\n\
         audio/index.m3u8\n"
    );
    let parsed = m3u8_rs::parse_master_playlist_res(text.as_bytes()).expect("m3u8-rs reads it");
    assert!(parsed.independent_segments);
    let read: Vec<_> = parsed.variants.iter().map(|it| (it.bandwidth, it.average_bandwidth)).collect();
    assert_eq!(read, [(2_400_000, Some(2_100_000)), (71_250, Some(69_120))]);
    assert_eq!(parsed.variants[0].frame_rate, Some(29.97));
    assert_eq!(parsed.variants[0].resolution.map(|it| (it.width, it.height)), Some((1280, 720)));
    assert_eq!(parsed.variants[1].codecs.as_deref(), Some("mp4a.40.2"));
}

#[test]
fn sound_apart_from_the_picture_and_a_query_for_all() {
    let group = |language: Option<&str>| Group {
        id: "sound".into(),
        name: "Tower \"A\"".into(),
        language: language.map(str::to_owned),
        channels: 1,
        uri: "audio/index.m3u8".into(),
    };
    let video = Variant { audio: Some("sound".into()), ..video() };
    let unmeasured = Variant { rate: Rate::default(), uri: "low/index.m3u8".into(), ..video.clone() };
    let audio = Variant { audio: Some("sound".into()), ..audio() };
    let variants = [video, unmeasured, audio];
    let text = multivariant(&variants, &[group(Some("en"))], Some("from=2025-11-20T12:00:00Z&t=\"1"));
    assert_eq!(
        text,
        "#EXTM3U\n\
         #EXT-X-VERSION:4\n\
         #EXT-X-INDEPENDENT-SEGMENTS\n\
         #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"sound\",NAME=\"Tower A\",LANGUAGE=\"en\",DEFAULT=YES,AUTOSELECT=YES,\
         CHANNELS=\"1\",URI=\"audio/index.m3u8?from=2025-11-20T12:00:00Z&t=1\"\n\
         #EXT-X-STREAM-INF:BANDWIDTH=2400000,AVERAGE-BANDWIDTH=2100000,CODECS=\"avc1.64001f,mp4a.40.2\",\
         RESOLUTION=1280x720,FRAME-RATE=29.970,AUDIO=\"sound\"\n\
         hd/index.m3u8?from=2025-11-20T12:00:00Z&t=\"1\n\
         #EXT-X-STREAM-INF:BANDWIDTH=71250,AVERAGE-BANDWIDTH=69120,CODECS=\"mp4a.40.2\",AUDIO=\"sound\"\n\
         audio/index.m3u8?from=2025-11-20T12:00:00Z&t=\"1\n"
    );
    let parsed = m3u8_rs::parse_master_playlist_res(text.as_bytes()).expect("m3u8-rs reads it");
    assert_eq!((parsed.variants.len(), parsed.alternatives.len()), (2, 1));
    assert_eq!(parsed.variants[0].audio.as_deref(), Some("sound"));
    assert!(!multivariant(&variants, &[group(None)], None).contains("LANGUAGE"));
}
