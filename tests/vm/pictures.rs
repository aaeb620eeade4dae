//! Cameras of the kernel's: what they show is in the stream, and what happens to them does not end it.

use std::time::Duration;

use crate::eye::{Film, Frame, WIDTH};
use crate::machine::Machine;
use crate::station::{Station, after_last, assert_unbroken, stream};

/// For anything that needs no more than that the machine gets to it.
const SOON: Duration = Duration::from_secs(20);
const RATE: f64 = 10.0;
/// Columns by which vivid's pattern moves from one picture to the next.
const STEP: usize = 4;

/// A stream `camera` of 320x180 at 10 pictures a second; `more` are further keys of its `video` table.
fn camera(device: &str, more: &str) -> String {
    stream(
        "camera",
        &format!(
            "title = \"Pole\"\nvideo = {{ kind = \"v4l2\", device = \"{device}\", size = \"320x180\", rate = 10, \
             bitrate = \"400k\"{more} }}"
        ),
    )
}

/// A machine with a webcam, /dev/video0.
fn machine(name: &str) -> Machine {
    let mut machine = Machine::boot(name);
    machine.sh("modprobe vivid n_devs=1 node_types=0x1 num_inputs=1 input_types=0");
    paint(|command| machine.sh(command));
    machine
}

/// Has vivid show a grey ramp that moves to the right: a frame counter that survives an encoder.
fn paint(mut sh: impl FnMut(&str) -> String) {
    // By default it tells the end of a frame's exposure before that is over: an interval ahead of the clock.
    sh("v4l2-ctl -d0 -c test_pattern=20,osd_text_mode=2,horizontal_movement=5,timestamp_source=1");
}

/// The pictures of the next `seconds` whole segments, each of which lasts as long as EXTINF says.
fn film(station: &Station, seconds: u64) -> Film {
    let first = after_last(&station.playlist("camera/video")) + 1;
    let playlist = station.after_segments("camera/video", seconds + 2);
    let film = Film::fetch(station, "camera/video", first..=first + seconds);
    let listed = playlist.segments.iter().skip((first - playlist.media_sequence) as usize);
    for (segment, length) in listed.zip(film.lengths()) {
        let listed = f64::from(segment.duration);
        assert!((listed - length).abs() < 0.001, "{}: {listed} s listed, {length} s long", segment.uri);
    }
    film.without_last()
}

/// Pictures with the ramp, each as many steps on from the first as its PTS says: none twice, none lost unless
/// its time is passed over, none misdated. One is shown again only while the next one is late, and is counted then. vivid stamps them when its thread gets to them, which on a busy
/// host may be two intervals late.
fn assert_counted(station: &Station, frames: &[Frame]) {
    let edges: Vec<usize> = frames.iter().map(|frame| frame.edge().expect("a ramp")).collect();
    let (mut counted, mut stills) = (0, 0);
    for (pair, frame) in edges.windows(2).zip(&frames[1..]) {
        let moved = (pair[1] + WIDTH - pair[0]) % WIDTH;
        let steps = (moved + STEP / 2) / STEP;
        if steps == 0 {
            stills += 1;
            continue;
        }
        counted += steps;
        let passed = (frame.pts - frames[0].pts) * RATE;
        let right = (passed - counted as f64).abs() < 2.0;
        assert!(right, "{counted} pictures on after {passed:.2} intervals: {}", log(frames));
    }
    let told = station.metric("outpost_camera_stills_total");
    assert!(f64::from(stills) <= told, "{stills} shown again, but {told} told of: {}", log(frames));
}

/// When each picture is, and where its edge.
fn log(frames: &[Frame]) -> String {
    frames.iter().map(|frame| format!("{:.3} {:?}, ", frame.pts, frame.edge())).collect()
}

/// Pictures come at their rate, give or take what the machine could not keep up with.
fn assert_paced(frames: &[Frame], seconds: u64) {
    let expected = RATE * seconds as f64;
    assert!(frames.len() as f64 > 0.8 * expected, "{} pictures in {seconds} s", frames.len());
    let again = frames.windows(2).filter(|pair| pair[0].edge().is_some() && pair[0].edge() == pair[1].edge());
    let new = frames.len() - again.count();
    assert!(new as f64 <= expected + 1.0, "{new} new pictures in {seconds} s");
}

/// Waits for the slate: no signal, told with a remedy, and dark pictures in place of the camera's.
fn assert_slate(station: &Station, signals: &[&str]) {
    let status = station.until_signal("camera", signals, SOON);
    assert!(status["cause"].as_str().is_some_and(|cause| cause.contains("; ")), "{status}");
    let slate = film(station, 2);
    assert_paced(slate.frames(), 2);
    assert!(slate.frames().iter().all(|frame| frame.edge().is_none() && frame.brightness() < 70.0));
}

#[test]
fn a_camera_is_seen_in_every_format_picture_by_picture() {
    let mut station = Station::start(machine("formats"), &camera("/dev/video0", ", format = \"yuyv\""));
    for format in ["yuyv", "nv12", "yu12", "auto"] {
        if format != "yuyv" {
            station.restart(&camera("/dev/video0", &format!(", format = \"{format}\"")));
        }
        station.until_signal("camera", &["live"], SOON);
        let film = film(&station, 3);
        assert_counted(&station, film.frames());
        assert_paced(film.frames(), 3);
        assert_eq!(station.metric("outpost_camera_misdated_total"), 0.0, "{format}");
        let log = station.log();
        let told = log.lines().filter(|line| line.contains("320x180")).count();
        assert!(told > 0, "what was picked, and why");
    }
}

#[test]
fn a_camera_that_is_lost_is_a_slate_and_comes_back_into_the_same_playlist() {
    let mut station = Station::start(machine("lost"), &camera("/dev/video0", ""));
    station.until_signal("camera", &["live"], SOON);
    assert_counted(&station, film(&station, 2).frames());
    let before = station.playlist("camera/video");

    // Pulled out with us holding it, and put back.
    station.sh("echo vivid.0 >/sys/bus/platform/drivers/vivid/unbind");
    assert_slate(&station, &["no-device"]);
    station.sh("echo vivid.0 >/sys/bus/platform/drivers/vivid/bind");
    station.until_signal("camera", &["live"], SOON);
    paint(|command| station.sh(command));
    assert_counted(&station, film(&station, 2).frames());

    // It is gone, and there again as soon as everybody has let go of it; then its streaming breaks down; then it
    // marks a picture as corrupt; then it leaves pictures out.
    let opened = station.metric("outpost_camera_opened_total");
    station.sh("v4l2-ctl -d0 -c disconnect=1");
    station.until("another opening", SOON, || {
        (station.metric("outpost_camera_opened_total") > opened).then_some(())
    });
    station.until_signal("camera", &["live"], SOON);
    let opened = station.metric("outpost_camera_opened_total");
    station.sh("v4l2-ctl -d0 -c inject_fatal_streaming_error=1");
    station.until("another opening", SOON, || {
        (station.metric("outpost_camera_opened_total") > opened).then_some(())
    });
    station.until_signal("camera", &["live"], SOON);
    let damaged = station.metric("outpost_camera_damaged_total");
    station.sh("v4l2-ctl -d0 -c inject_v4l2_buf_flag_error=1");
    station
        .until("damage", SOON, || (station.metric("outpost_camera_damaged_total") > damaged).then_some(()));
    let missed = station.metric("outpost_camera_missed_total");
    station.sh("v4l2-ctl -d0 -c percentage_of_dropped_buffers=20");
    station.until("losses", SOON, || (station.metric("outpost_camera_missed_total") > missed).then_some(()));
    assert_counted(&station, film(&station, 2).frames());
    station.sh("v4l2-ctl -d0 -c percentage_of_dropped_buffers=0");

    assert_unbroken(&before, &station.playlist("camera/video"));

    // We are stopped for longer than its buffers last. Of those seconds there is nothing to show, not even a
    // slate; then it goes on.
    station.signal("STOP");
    station.sh("sleep 3");
    station.signal("CONT");
    station.until_signal("camera", &["live"], SOON);
    // The hole stands in the list as gaps, of which there is nothing to fetch.
    station.after_segments("camera/video", 4);
    let after = film(&station, 2);
    assert_counted(&station, after.frames());
    assert_paced(after.frames(), 2);
    let playlist = station.playlist("camera/video");
    let breaks = playlist.segments.iter().filter(|segment| segment.discontinuity).count();
    assert!(breaks <= 2, "one at the beginning, and one for the hole: {breaks}");
    station.log();
}

/// What ffmpeg needs to show its test picture on /dev/video20 until it is killed.
fn show(station: &mut Station, coding: &str) {
    station.sh(&format!(
        "ffmpeg -nostdin -v error -re -f lavfi -i testsrc2=s=320x180:r=10 {coding} -f v4l2 /dev/video20 >/dev/null 2>&1 &"
    ));
}

/// The test picture is seen: bright, and never the slate.
fn assert_shown(station: &Station) {
    station.until_signal("camera", &["live"], SOON);
    let film = film(station, 2);
    assert_paced(film.frames(), 2);
    for frame in film.frames() {
        assert!(frame.brightness() > 90.0, "brightness {:.0}", frame.brightness());
    }
}

#[test]
fn a_program_that_plays_the_camera_may_go_and_come_back() {
    let mut machine = Machine::boot("loopback");
    machine.sh("modprobe v4l2loopback exclusive_caps=1 video_nr=20");
    // Nobody writes: not a camera yet.
    let mut station = Station::start(machine, &camera("/dev/video20", ""));
    assert_slate(&station, &["no-device", "failed"]);
    let before = station.playlist("camera/video");
    show(&mut station, "-pix_fmt yuyv422");
    assert_shown(&station);
    station.sh("killall -9 ffmpeg");
    assert_slate(&station, &["no-device", "stalled", "failed"]);
    show(&mut station, "-pix_fmt yuv420p");
    assert_shown(&station);
    assert_unbroken(&before, &station.playlist("camera/video"));
    // It is there, and shows nothing new.
    station.sh("killall -STOP ffmpeg");
    station.until_signal("camera", &["stalled"], SOON);
    station.sh("killall -CONT ffmpeg");
    assert_shown(&station);

    for (format, coding) in
        [("mjpeg", "-c:v mjpeg -pix_fmt yuvj422p"), ("h264", "-c:v libx264 -preset ultrafast -g 10")]
    {
        station.sh("killall -9 ffmpeg");
        show(&mut station, coding);
        station.restart(&camera("/dev/video20", &format!(", format = \"{format}\"")));
        assert_shown(&station);
    }
    station.log();
}

#[test]
fn a_node_that_is_no_camera_is_named_and_the_stream_goes_on() {
    let mut machine = Machine::boot("no-camera");
    machine.sh("modprobe vicodec");
    let mut station = Station::start(machine, &camera("/dev/video0", ""));
    for device in ["/dev/video0", "/dev/null", "/dev/video77"] {
        station.restart(&camera(device, ""));
        assert_slate(&station, &["no-device", "failed"]);
        station.log();
    }
}
