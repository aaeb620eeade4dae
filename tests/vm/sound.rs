//! A sound card of the kernel's: what is played into it comes out of the stream.

use std::process::{Child, Command};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use m3u8_rs::MediaPlaylist;

use crate::ear::{self, LEVEL};
use crate::machine::Machine;
use crate::station::{Station, assert_unbroken, stream};

/// What the machine's own start does.
const NETWORK: &str = "ip addr add 10.0.2.15/24 dev eth0; ip route add default via 10.0.2.2";
const HEARD: Duration = Duration::from_secs(20);
const NOTICED: Duration = Duration::from_secs(10);
const TONE: std::ops::Range<f64> = LEVEL - 0.5..LEVEL + 0.5;

/// Plays a tone into playback device `device` without end, from `/share/tone.raw`.
fn play(station: &mut Station, device: &str) {
    station.sh(&format!(
        "(while cat tone.raw; do :; done | aplay -q -D {device} -t raw -f S16_LE -r 48000 -c 2) >/dev/null 2>&1 &"
    ));
}

/// A machine with a tone of 997 Hz in `/share/tone.raw`.
fn machine(name: &str) -> Machine {
    let machine = Machine::boot(name);
    let raw = machine.share().join("tone.raw");
    // A whole number of periods: it can be played again and again without a click.
    ear::sox(997.0, 997.0, &["-t", "raw", "-e", "signed", "-b", "16", raw.to_str().expect("UTF-8")]);
    machine
}

/// The tone comes, and is in the last seconds of `radio`: pitch and level, no gap.
fn assert_heard(station: &Station) {
    // A stream that was held up catches up: so it is time that counts, not segments.
    let mut since = None;
    station.until("seven seconds of the tone", HEARD, || {
        let level = station.status("radio")["level"]["rms_dbfs"].as_f64();
        since = since
            .filter(|_| level.is_some_and(|level| TONE.contains(&level)))
            .or_else(|| Some(Instant::now()));
        since.filter(|since| since.elapsed() > Duration::from_secs(7))
    });
    let url = station.url("/radio/audio/index.m3u8");
    let heard = ear::channels(&url);
    assert_eq!(heard.len(), 1);
    // The ear counts whole hertz: one is the least it can be off.
    assert!((heard[0].pitch - 997.0).abs() <= 1.0 && TONE.contains(&heard[0].level), "{heard:?}");
    let said = ear::listen(&url, "-5", 4.0, "atrim=start=0.5,silencedetect=noise=-40dB:duration=0.005");
    assert!(!said.contains("silence_start"), "{said}");
}

/// The clock is set to the time, and back by an hour, while somebody listens: who hears nothing of it, and each date is right.
fn assert_set_clocks_correct_all_dates(station: &mut Station) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock out here").as_secs();
    let mut listener = listener(&station.url("/radio/audio/index.m3u8"), 20);
    let mut before = station.playlist("radio/audio");
    assert!(edge(&before) < 86_400.0, "nobody has set it: {}", edge(&before));
    for time in [now, now - 3600] {
        station.sh(&format!("date -s @{time}"));
        let after = station.until("dates by the new clock", NOTICED, || {
            let playlist = station.playlist("radio/audio");
            (edge(&playlist) - time as f64).abs().lt(&30.0).then_some(playlist)
        });
        let dated: Vec<_> = after.segments.iter().filter(|it| it.program_date_time.is_some()).collect();
        assert_eq!(dated.len(), 1, "all follow from the first: {dated:?}");
        station.after_segments("radio/audio", 1);
        assert_unbroken(&before, &station.playlist("radio/audio"));
        before = after;
    }
    let heard = listener.wait().expect("it ends");
    assert!(heard.success(), "ffmpeg listened on: {heard}");
}

/// Listens to `url` for so long, and minds whatever is wrong in it.
fn listener(url: &str, seconds: u32) -> Child {
    Command::new("ffmpeg")
        .args([
            "-nostdin",
            "-v",
            "error",
            "-xerror",
            "-i",
            url,
            "-t",
            &seconds.to_string(),
            "-f",
            "null",
            "-",
        ])
        .spawn()
        .expect("ffmpeg starts")
}

/// The date of the playlist's end, in seconds since 1970.
fn edge(playlist: &MediaPlaylist) -> f64 {
    let first = playlist.segments[0].program_date_time.expect("a date").timestamp_millis() as f64 / 1e3;
    first + playlist.segments.iter().map(|it| f64::from(it.duration)).sum::<f64>()
}

#[test]
fn a_loopback_card_is_heard_and_the_stream_survives_what_happens_to_it() {
    let mut machine = machine("aloop");
    machine.sh("modprobe snd-aloop pcm_substreams=1");
    // A board without a clock of its own, whose network takes its time.
    machine.sh("date -s '1970-01-01 01:00:00' && ip addr flush dev eth0");
    machine.sh(&format!("(sleep 10; {NETWORK}) >/dev/null 2>&1 &"));
    let streams = stream("radio", "audio = { kind = \"alsa\", device = \"hw:Loopback,1,0\" }");
    let mut station = Station::start_at(machine, "10.0.2.15:8080", &streams);
    assert!(station.log().contains("no interface of this machine has the address 10.0.2.15 yet"));
    play(&mut station, "hw:Loopback,0,0");
    assert_heard(&station);
    assert_eq!(ear::probe(&station.url("/radio/index.m3u8")), "aac,LC,48000,1");
    let before = station.playlist("radio/audio");
    assert_set_clocks_correct_all_dates(&mut station);

    // The link goes and comes again.
    station.sh(&format!("ip link set eth0 down; sleep 3; ip link set eth0 up; {NETWORK} 2>/dev/null; true"));
    station.after_segments("radio/audio", 1);
    assert_heard(&station);

    // Whoever plays into it goes: the card goes on, with silence.
    station.sh("killall aplay");
    station.until_level("radio", f64::NEG_INFINITY..-60.0, NOTICED);
    assert_eq!(station.status("radio")["signal"], "live");

    // The card itself goes, with us holding it.
    station.sh("echo snd_aloop.0 >/sys/bus/platform/drivers/snd_aloop/unbind");
    let status = station.until_signal("radio", &["no-device"], NOTICED);
    assert!(status["cause"].as_str().is_some_and(|cause| cause.contains("; ")), "{status}");
    station.after_segments("radio/audio", 1);
    station.sh("echo snd_aloop.0 >/sys/bus/platform/drivers/snd_aloop/bind");
    station.until_signal("radio", &["live"], NOTICED);
    play(&mut station, "hw:Loopback,0,0");
    assert_heard(&station);

    // We are stopped for longer than the card's buffer lasts: its overrun is counted, and the sound goes on.
    let losses = station.metric("outpost_capture_losses_total");
    station.signal("STOP");
    station.sh("sleep 3");
    station.signal("CONT");
    assert_heard(&station);
    assert!(station.metric("outpost_capture_losses_total") > losses);
    assert_eq!(station.status("radio")["signal"], "live");

    assert_unbroken(&before, &station.playlist("radio/audio"));
    station.log();
}
