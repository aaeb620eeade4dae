//! `/{stream}/snapshot.jpg`

use std::fs;
use std::time::{Duration, Instant};

use crate::eye::{say, text};
use crate::http::get;
use crate::station::{Station, until};

#[test]
fn a_snapshot_is_the_latest_picture_made_when_asked_and_not_too_often() {
    let streams = "[[stream]]
name = \"camera\"
[stream.video]
kind = \"synth\"
size = \"640x360\"
[[stream]]
name = \"radio\"
[stream.audio]
kind = \"synth\"
";
    let station = Station::start("snapshot", streams, &[]);
    let snapshot = || station.get("/camera/snapshot.jpg");
    let first =
        until("a snapshot", Duration::from_secs(10), || Some(snapshot()).filter(|it| it.status == 200));
    let path = station.dir().join("snapshot.jpg");
    fs::write(&path, &first.body).expect("room for a picture");
    let show = "stream=codec_name,width,height";
    let about = say("ffprobe", &["-v", "error", "-show_entries", show, "-of", "csv=p=0", text(&path)]);
    assert_eq!(about.trim(), "mjpeg,640,360");

    // A crowd costs no more than one: for a second all get the same picture.
    let began = Instant::now();
    let address = station.address();
    let crowd: Vec<_> =
        (0..20).map(|_| std::thread::spawn(move || get(address, "/camera/snapshot.jpg").body)).collect();
    let mut seen: Vec<_> = crowd.into_iter().map(|one| one.join().expect("an answer")).collect();
    seen.sort();
    seen.dedup();
    let seconds = began.elapsed().as_secs() as usize;
    assert!(seen.len() <= seconds + 2, "{} pictures in {seconds} s", seen.len());
    until("a newer picture", Duration::from_secs(5), || (snapshot().body != first.body).then_some(()));

    let none = station.get("/radio/snapshot.jpg");
    assert_eq!(none.status, 404);
    assert!(none.text().contains("picture"), "it says why");
    assert_eq!(station.get("/nobody/snapshot.jpg").status, 404);
}
