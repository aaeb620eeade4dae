//! Clips with pictures begin with a key frame, and the sound with it.

use outpost::clip::Kind;

use crate::tool::{Scratch, run, text};
use crate::window::{at, camera, heard, probe, write};

/// What ffprobe says of the packets of a stream: when, how long, flags.
fn packets(path: &std::path::Path, stream: &str) -> Vec<(f64, f64, String)> {
    let read = |line: &String| {
        let fields: Vec<_> = line.split(',').collect();
        let number = |at: usize| fields[at].parse().expect("a number");
        (number(0), number(1), fields[2].to_owned())
    };
    probe(path, stream, "packet=pts_time,duration_time,flags").iter().map(read).collect()
}

#[test]
fn both_tracks_start_together_at_a_key_frame_and_nothing_is_complained_of() {
    let scratch = Scratch::new("clip-film");
    let window = camera(None);
    // Asked for, and where the key frame before lies.
    for ((from, to), key) in
        [((0, 2_000), 0), ((2_500, 5_100), 2_000), ((3_999, 4_020), 2_000), ((6_000, 9_000), 6_000)]
    {
        let path = write(&scratch, &window, (from, to), Kind::Mp4).expect("a clip");
        let pictures = packets(&path, "v");
        let expected = (to.min(8_000) - key + 39) / 40;
        assert_eq!(pictures.len() as i64, expected, "{from}..{to}");
        assert_eq!((pictures[0].0, &pictures[0].2[..1]), (0.0, "K"), "{from}..{to}");
        let length = (to.min(8_000) - key) as f64 / 1e3;
        let end = pictures.last().map(|it| it.0 + it.1).expect("pictures");
        assert!((end - length).abs() < 0.0011, "{from}..{to}: {end} s of {length}");
        let starts =
            probe(&path, "v", "stream=start_time").into_iter().chain(probe(&path, "a", "stream=start_time"));
        assert!(starts.into_iter().all(|it| it == "0.000000"), "{from}..{to}");
        // Nothing is said while all of it is decoded.
        run("ffmpeg", &["-v", "warning", "-i", text(&path), "-fps_mode", "passthrough", "-f", "null", "-"]);
        // A sweep tells where it was cut: at the instant t it has 200 + 200 t hertz.
        let heard = heard(&path);
        let crossings =
            heard[..4_800].windows(2).filter(|pair| pair[0] < 0.0 && pair[1] >= 0.0).count() as f64;
        let meant = 10.0f64.recip() * (200.0 + 200.0 * (key as f64 / 1e3 + 0.05));
        assert!((crossings - meant).abs() < 3.0, "{from}..{to}: {crossings} crossings in 0.1 s for {meant}");
        assert!(
            (heard.len() as f64 / 48_000.0 - length).abs() < 0.05,
            "{from}..{to}: {} samples",
            heard.len()
        );
    }
}

#[test]
fn a_clip_ends_where_the_decoder_would_have_to_begin_anew() {
    let scratch = Scratch::new("clip-change");
    let window = camera(Some(at(4_000)));
    for ((from, to), seconds, size) in [((1_000, 7_000), 4.0, "320,180"), ((4_500, 7_000), 3.0, "160,90")] {
        let path = write(&scratch, &window, (from, to), Kind::Mp4).expect("a clip");
        assert_eq!(probe(&path, "v", "stream=width,height"), [size]);
        let duration: f64 = probe(&path, "v", "format=duration")[0].parse().expect("a number");
        assert!((duration - seconds).abs() < 0.0011, "{duration}");
        run("ffmpeg", &["-v", "warning", "-i", text(&path), "-f", "null", "-"]);
    }
}

#[test]
fn the_other_kinds_of_a_camera() {
    let scratch = Scratch::new("clip-kinds");
    let window = camera(None);
    let whole = write(&scratch, &window, (2_500, 5_100), Kind::Ts).expect("a clip");
    let expected = [1, 2].map(|n| window[n].body.chunks.concat()).concat();
    assert_eq!(std::fs::read(&whole).expect("the clip"), expected);
    let path = write(&scratch, &window, (2_500, 5_100), Kind::M4a).expect("a clip");
    assert!((48 * 2_600..48 * 2_600 + 1024).contains(&heard(&path).len()));
}
