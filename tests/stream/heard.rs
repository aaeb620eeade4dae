//! A tone that is played into the device comes out of the stream.

use std::time::Duration;

use crate::ear::{self, Channel, LEVEL, play};
use crate::pulse::Pulse;
use crate::station::{Station, stream, until};

const SCANNER: &str = "kind = \"alsa\", device = \"scanner\"";
/// A null sink plays what it first got two seconds later.
const TONE: Duration = Duration::from_secs(15);

fn is_tone(channel: &Channel, pitch: f64) -> bool {
    (channel.pitch / pitch - 1.0).abs() < 0.001 && (channel.level - LEVEL).abs() < 0.5
}

/// Waits for the tone in `name`, and for six whole seconds of it.
fn until_heard(station: &Station, name: &str) {
    station.until_level(name, LEVEL - 0.5..LEVEL + 0.5, TONE);
    let heard = station.metric("outpost_encoder_blocks_total");
    let streams = station.metric("outpost_signal_live");
    until("six seconds of the tone", TONE, || {
        let blocks = station.metric("outpost_encoder_blocks_total") - heard;
        (blocks * 1024.0 / 48_000.0 / streams > 6.5).then_some(())
    });
}

#[test]
fn a_tone_keeps_its_pitch_and_level_in_mono_stereo_and_he_aac() {
    let pulse = Pulse::present();
    let _tone = play(&pulse, 997.0, 997.0);
    let streams = [
        stream("mono", SCANNER, ""),
        stream("stereo", &format!("{SCANNER}, channels = \"stereo\""), ""),
        stream("he", &format!("{SCANNER}, channels = \"stereo\", profile = \"he\""), ""),
    ];
    let station = Station::start("tone", &streams.concat(), &pulse.environment());
    until_heard(&station, "mono");
    for (name, channels, codec) in
        [("mono", 1, "aac,LC,48000,1"), ("stereo", 2, "aac,LC,48000,2"), ("he", 2, "aac,HE-AAC,48000,2")]
    {
        let url = station.url(&format!("/{name}/index.m3u8"));
        assert_eq!(ear::probe(&url), codec, "{name}");
        let heard = ear::channels(&station.url(&format!("/{name}/audio/index.m3u8")));
        assert_eq!(heard.len(), channels, "{name}");
        assert!(heard.iter().all(|channel| is_tone(channel, 997.0)), "{name}: {heard:?}");
    }
    // The three hear one and the same device, opened once.
    assert_eq!(station.metric("outpost_capture_opened_total"), 3.0);
    assert_eq!(station.log().matches("sound is coming").count(), 1);
}

#[test]
fn one_stereo_card_carries_two_scanners() {
    let pulse = Pulse::present();
    let _tone = play(&pulse, 997.0, 1499.0);
    let side = |name: &str| stream(name, &format!("{SCANNER}, channels = \"{name}\""), "");
    let station = Station::start("sides", &[side("left"), side("right")].concat(), &pulse.environment());
    until_heard(&station, "left");
    for (name, pitch) in [("left", 997.0), ("right", 1499.0)] {
        let heard = ear::channels(&station.url(&format!("/{name}/audio/index.m3u8")));
        assert!(heard.len() == 1 && is_tone(&heard[0], pitch), "{name}: {heard:?}");
    }
    for name in ["left", "right"] {
        let opened = format!("outpost_capture_opened_total{{stream=\"{name}\"}} 1.0");
        assert!(station.get("/metrics").text().contains(&opened), "{opened}");
    }
    assert_eq!(station.log().matches("sound is coming").count(), 1);
}

#[test]
fn a_device_faster_than_time_is_held_to_the_clock() {
    let pulse = Pulse::absent();
    let raw = pulse.home().join("looped.raw");
    ear::sox(997.0, 997.0, &["-t", "raw", "-e", "signed", "-b", "16", raw.to_str().expect("UTF-8")]);
    let station = Station::hearing("unpaced", "looped", &pulse.environment());
    station.until_signal("radio", &["live"], TONE);
    let (first, begin) = station.next_listing("radio");
    let mut last = (first.clone(), begin);
    for _ in 0..5 {
        last = station.next_listing("radio");
    }
    let listed = crate::station::length(&last.0) - crate::station::length(&first);
    let took = (last.1 - begin).as_secs_f64();
    assert!((listed - took).abs() < 0.25, "{listed} s of media in {took} s");
    let heard = ear::channels(&station.url("/radio/audio/index.m3u8"));
    assert!(heard.len() == 1 && is_tone(&heard[0], 997.0), "{heard:?}");
}
