//! The V4L2 source with real drivers: vivid, v4l2loopback and vicodec.
//!
//! All but the last test run in the test machine, by this very executable, one after the other; they load and
//! remove the modules themselves. The last one sends them there.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use outpost::base::{Clock, Monotonic};
use outpost::media::{FrameRate, Planes};
use outpost::source::video::v4l2::{
    Camera, Controls, Delivery, FormatChoice, Settings, V4l2Device, codes_h264, list,
};
use outpost::source::video::{Coding, Glimpse, Image, VideoDevice, VideoInput, Wanted};
use outpost::source::{Signal, SourceError};
use outpost::sys::clock::RealClock;

use crate::machine::Machine;

/// For all of them.
const LIMIT: Duration = Duration::from_secs(200);
/// The guest is 16 to 60 times slower than its host.
const PATIENCE: Duration = Duration::from_secs(20);

fn run(command: &str) {
    let status = Command::new("sh").args(["-c", command]).status().expect("a shell");
    assert!(status.success(), "{command}: {status}");
}

/// Waits until something is so.
fn until<T>(what: &str, mut so: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        match so() {
            Some(found) => return found,
            None if Instant::now() > end => panic!("in vain: {what}"),
            None => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}

/// A module, removed when dropped.
struct Module(&'static str);

impl Module {
    fn load(name: &'static str, options: &str) -> Self {
        run(&format!("modprobe {name} {options}"));
        Self(name)
    }
}

impl Drop for Module {
    fn drop(&mut self) {
        // As soon as whoever had it has let go.
        let end = Instant::now() + PATIENCE;
        while !Command::new("rmmod").arg(self.0).stderr(Stdio::null()).status().is_ok_and(|s| s.success()) {
            assert!(Instant::now() < end, "{} stays in use", self.0);
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

/// A program, killed when dropped.
struct Program(Child);

impl Program {
    fn start(command: &str) -> Self {
        let mut words = command.split_whitespace();
        let program = words.next().expect("a program");
        let child = Command::new(program).args(words).stdin(Stdio::null()).stdout(Stdio::null()).spawn();
        Self(child.unwrap_or_else(|error| panic!("{command}: {error}")))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn settings(id: &str, size: &str, rate: u32) -> Settings {
    Settings {
        id: id.parse().expect("a name"),
        wanted: Wanted {
            size: size.parse().expect("a size"),
            rate: FrameRate::new(rate, 1).expect("a rate"),
        },
        delivery: Delivery::Raw,
        format: FormatChoice::Auto,
        controls: Controls::new(),
    }
}

fn forced(format: &str, settings: Settings) -> Settings {
    Settings { format: format.parse().expect("a format"), ..settings }
}

fn open(settings: &Settings) -> Result<Box<dyn VideoInput>, SourceError> {
    V4l2Device::new(settings.clone()).open()
}

/// What was seen of some pictures.
#[derive(Debug, Default)]
struct Seen {
    captured: Vec<Monotonic>,
    missed: u32,
    damaged: u32,
    /// The mean of the luma of the last.
    luma: f64,
    /// The beginning of the last, if it was coded.
    coded: Vec<u8>,
}

/// Looks at `count` pictures.
fn look(input: &mut dyn VideoInput, count: usize) -> Seen {
    let mut seen = Seen::default();
    let end = Instant::now() + PATIENCE;
    while seen.captured.len() < count {
        assert!(Instant::now() < end, "only {seen:?}");
        match input.read(Duration::from_millis(500)).unwrap_or_else(|error| panic!("{error}; {seen:?}")) {
            Glimpse::Nothing => {}
            Glimpse::Damaged(_) => seen.damaged += 1,
            Glimpse::Shot(shot) => {
                let age = RealClock.now().nanos_since(shot.captured);
                // vivid stamps the end of a frame when it begins: up to an interval ahead.
                assert!((-120_000_000..5_000_000_000).contains(&age), "captured {age} ns ago");
                seen.captured.push(shot.captured);
                seen.missed += shot.missed;
                match shot.image {
                    Image::H264(bytes) => seen.coded = bytes[..bytes.len().min(5)].to_vec(),
                    Image::Raw(Planes::I420([y, ..]) | Planes::Nv12([y, _])) => {
                        let sum: u64 = y.data.iter().map(|sample| u64::from(*sample)).sum();
                        seen.luma = sum as f64 / y.data.len() as f64;
                    }
                }
            }
        }
    }
    let rising = seen.captured.windows(2).all(|pair| pair[0] < pair[1]);
    assert!(rising, "timestamps go backwards: {:?}", seen.captured);
    seen
}

/// Pictures that came or were counted as missed, per second.
fn rate(seen: &Seen) -> f64 {
    let (first, last) = (seen.captured[0], seen.captured[seen.captured.len() - 1]);
    (seen.captured.len() as f64 - 1.0 + f64::from(seen.missed)) / last.since(first).as_secs_f64()
}

const VIVID: &str = "n_devs=1 node_types=0x1";

#[test]
#[ignore = "runs in the test machine"]
fn vivid_delivers_each_layout_at_the_rate_asked_for() {
    let _vivid = Module::load("vivid", VIVID);
    for format in ["yuyv", "nv12", "yu12"] {
        let mut input = open(&forced(format, settings("card:vivid", "320x180", 15))).expect(format);
        let about = input.format().about.clone();
        assert!(about.starts_with(&format.to_ascii_uppercase()), "{about}");
        let seen = look(&mut *input, 30);
        println!("{about}: {:.2} a second, {seen:?}", rate(&seen));
        assert!((13.0..17.0).contains(&rate(&seen)), "{about}: {} a second", rate(&seen));
        assert!(seen.luma > 30.0, "{about}: black");
        assert_eq!(seen.damaged, 0);
    }
    let error = open(&forced("mjpeg", settings("card:vivid", "320x180", 15))).err().expect("it has none");
    println!("{error}");
    assert!(
        error.problem.contains("does not deliver MJPEG, but") && error.problem.contains("YUYV"),
        "{error}"
    );
}

#[test]
#[ignore = "runs in the test machine"]
fn another_size_is_scaled() {
    let _vivid = Module::load("vivid", VIVID);
    let mut input = open(&settings("platform:vivid.0", "160x120", 10)).expect("a camera");
    println!("{}", input.format().about);
    assert!(input.format().about.contains("scaled to 160x120"), "{}", input.format().about);
    let Ok(Glimpse::Shot(shot)) = input.read(PATIENCE) else { panic!("no picture") };
    let Image::Raw(Planes::I420([y, ..]) | Planes::Nv12([y, _])) = shot.image else { panic!("no samples") };
    assert!(y.data.len() >= y.stride * 119 + 160, "{y:?}");
}

#[test]
#[ignore = "runs in the test machine"]
fn the_list_tells_everything_and_only_cameras() {
    let _vivid = Module::load("vivid", "n_devs=1");
    let _loopback = Module::load("v4l2loopback", "video_nr=40 card_label=Pole");
    let _codec = Module::load("vicodec", "");
    let cameras = list();
    println!("{}", serde_json::to_string_pretty(&cameras).expect("JSON"));
    let ids: Vec<_> = cameras.iter().map(|camera| camera.id.to_string()).collect();
    assert_eq!(ids, ["platform:vivid.0", "card:Pole"]);
    let Camera { card, driver, formats, controls, .. } = &cameras[0];
    assert_eq!((card.as_str(), driver.as_str()), ("vivid", "vivid"));
    let yuyv = formats.iter().find(|format| format.fourcc == "YUYV").expect("vivid has it");
    let hd = yuyv.sizes.iter().find(|size| size.size == "1280x720").expect("vivid has it");
    assert!(!hd.rates.is_empty(), "{yuyv:?}");
    let brightness = controls.iter().find(|control| control.name == "brightness").expect("vivid has it");
    assert_eq!(brightness.range, "0 to 255");
    let tree = fs::read_dir("/sys/class/video4linux").expect("sysfs").flatten();
    for entry in tree {
        let node = Path::new("/dev").join(entry.file_name()).display().to_string();
        if !node.starts_with("/dev/video") || cameras.iter().any(|camera| camera.node == node) {
            continue;
        }
        let error = open(&settings(&node, "320x240", 10)).err().expect("no camera");
        let name = fs::read_to_string(entry.path().join("name")).unwrap_or_default();
        println!("{} {error}", name.trim());
        let named = ["codec", "takes pictures and gives none", "no camera"];
        assert!(named.iter().any(|words| error.problem.contains(words)), "{error}");
    }
}

#[test]
#[ignore = "runs in the test machine"]
fn controls_are_set_by_name_and_refused_with_those_there_are() {
    let _vivid = Module::load("vivid", VIVID);
    let with = |text: &str| Settings {
        controls: serde_json::from_str(text).expect("controls"),
        ..settings("card:vivid", "320x180", 10)
    };
    let luma = |text| look(&mut *open(&with(text)).expect(text), 3).luma;
    let (dark, bright) = (luma("{\"brightness\": 10}"), luma("{\"brightness\": 240}"));
    println!("dark {dark}, bright {bright}");
    assert!(bright > dark + 20.0, "{dark} {bright}");
    luma("{\"test_pattern\": \"100% White\", \"gain_automatic\": false}");
    for text in ["{\"zoom\": 1}", "{\"brightness\": 256}", "{\"test_pattern\": \"Monoscope\"}"] {
        let error = open(&with(text)).err().expect(text);
        println!("{error}");
        assert_eq!(error.signal, Signal::Failed);
        assert!(error.problem.contains("it has brightness") || error.problem.contains("it takes"), "{error}");
    }
}

#[test]
#[ignore = "runs in the test machine"]
fn a_camera_that_is_pulled_out_says_so_and_is_found_again() {
    let _vivid = Module::load("vivid", VIVID);
    let wanted = settings("platform:vivid.0", "320x180", 10);
    for pull in [
        "echo vivid.0 > /sys/bus/platform/drivers/vivid/unbind",
        "v4l2-ctl -d $(ls -d /dev/video* | head -n 1) -c disconnect=1",
    ] {
        let mut input = open(&wanted).expect("it is there");
        look(&mut *input, 3);
        run(pull);
        let began = Instant::now();
        let error = until("an end", || input.read(Duration::from_millis(100)).err());
        println!("{pull}: {error}, after {:?}", began.elapsed());
        assert_eq!(error.signal, Signal::NoDevice, "{error}");
        let error = open(&wanted).err().expect("it is gone");
        println!("{error}");
        assert_eq!(error.signal, Signal::NoDevice, "{error}");
        drop(input);
        if pull.contains("disconnect") {
            run("echo vivid.0 > /sys/bus/platform/drivers/vivid/unbind");
        }
        run("echo vivid.0 > /sys/bus/platform/drivers/vivid/bind");
        look(&mut *open(&wanted).expect("it is back"), 3);
    }
}

#[test]
#[ignore = "runs in the test machine"]
fn corrupt_buffers_and_lost_pictures_are_told() {
    let _vivid = Module::load("vivid", VIVID);
    let mut input = open(&settings("card:vivid", "320x180", 15)).expect("it is there");
    look(&mut *input, 3);
    run("v4l2-ctl -d $(ls -d /dev/video* | head -n 1) -c percentage_of_dropped_buffers=50");
    let seen = look(&mut *input, 40);
    println!("half of them dropped: {} missed, {:.2} a second", seen.missed, rate(&seen));
    assert!((10..200).contains(&seen.missed) && (13.0..17.0).contains(&rate(&seen)), "{seen:?}");
    run("v4l2-ctl -d $(ls -d /dev/video* | head -n 1) -c percentage_of_dropped_buffers=0");
    // Stopped for a second, it gives the newest and counts the others.
    std::thread::sleep(Duration::from_secs(1));
    let Ok(Glimpse::Shot(shot)) = input.read(PATIENCE) else { panic!("no picture") };
    let age = RealClock.now().since(shot.captured);
    println!("after a second: {age:?} old, {} missed", shot.missed);
    assert!(shot.missed >= 2, "{}", shot.missed);
}

#[test]
#[ignore = "runs in the test machine"]
fn whoever_has_it_is_named() {
    let _vivid = Module::load("vivid", VIVID);
    let _other = Program::start("v4l2-ctl -d /dev/video0 --stream-mmap --stream-count=0");
    let busy = |camera: &Camera| camera.usage.to_string().starts_with("busy: v4l2-ctl");
    until("v4l2-ctl has it", || list().iter().any(busy).then_some(()));
    let error = open(&settings("card:vivid", "320x180", 10)).err().expect("it is busy");
    println!("{error}");
    assert_eq!(error.signal, Signal::Busy);
    assert!(error.problem.contains("v4l2-ctl (process "), "{error}");
}

/// A program that feeds the loopback.
fn writer(options: &str) -> Program {
    Program::start(&format!(
        "ffmpeg -nostdin -loglevel error -re -f lavfi -i testsrc2=s=320x240:r=10 {options} -f v4l2 /dev/video40"
    ))
}

#[test]
#[ignore = "runs in the test machine"]
fn a_loopback_gives_what_is_fed_and_nothing_without() {
    for exclusive in ["exclusive_caps=1", "exclusive_caps=0"] {
        let _loopback = Module::load("v4l2loopback", &format!("video_nr=40 card_label=Pole {exclusive}"));
        let wanted = settings("card:Pole", "320x240", 10);
        let error = open(&wanted).err().expect("there is nothing to see");
        println!("{exclusive}, without a writer: {error}");
        assert!(error.problem.contains("takes pictures and gives none"), "{error}");
        assert_eq!(error.signal, Signal::NoDevice);
        for round in 0..2 {
            let feeding = writer("-pix_fmt yuyv422");
            let mut input = until("an input", || open(&wanted).ok());
            let seen = look(&mut *input, 10);
            println!("{exclusive}: {}: {:.2} a second", input.format().about, rate(&seen));
            drop(feeding);
            // Whether it stalls or fails, it ends.
            let end = until("the end", || match input.read(Duration::from_millis(1500)) {
                Ok(Glimpse::Nothing) => Some("nothing comes".to_owned()),
                Ok(_) => None,
                Err(error) => Some(error.to_string()),
            });
            println!("{exclusive}, round {round}, writer gone: {end}");
        }
    }
}

#[test]
#[ignore = "runs in the test machine"]
fn mjpeg_is_decoded_and_h264_passed_on() {
    let _loopback = Module::load("v4l2loopback", "video_nr=40 card_label=Pole exclusive_caps=1");
    let wanted = settings("card:Pole", "320x240", 10);
    {
        let _feeding = writer("-c:v mjpeg -q:v 4 -pix_fmt yuvj420p");
        let mut input = until("an input", || open(&wanted).ok());
        let seen = look(&mut *input, 10);
        println!("{}: {:.2} a second, {seen:?}", input.format().about, rate(&seen));
        assert!(input.format().about.starts_with("MJPEG 320x240"), "{}", input.format().about);
        assert!(seen.luma > 40.0, "{seen:?}");
        assert_eq!(codes_h264(&wanted.id, wanted.wanted).expect("it is there"), None);
    }
    let _feeding = writer("-c:v libx264 -preset ultrafast -tune zerolatency -g 10");
    let passed = Settings {
        delivery: Delivery::H264 { key_frames: Duration::from_secs(2), bitrate: Some(500_000) },
        ..wanted.clone()
    };
    let mut input = until("an input", || open(&passed).ok());
    assert_eq!(input.format().coding, Coding::H264);
    let seen = look(&mut *input, 20);
    println!("{}: {seen:?}", input.format().about);
    assert!(seen.coded.starts_with(&[0, 0, 0, 1]) || seen.coded.starts_with(&[0, 0, 1]), "{seen:?}");
    drop(input);
    let why = codes_h264(&wanted.id, wanted.wanted).expect("it is there");
    println!("{why:?}");
    assert!(why.expect("it codes").contains("codes it itself"));
    let error = open(&wanted).err().expect("no samples to be had");
    println!("{error}");
    assert!(error.problem.contains("H264"), "{error}");
}

/// A figure of the kernel, in KiB.
fn figure(file: &str, key: &str) -> u64 {
    let text = fs::read_to_string(file).expect("procfs");
    let line = text.lines().find(|line| line.starts_with(key)).unwrap_or_else(|| panic!("{file}: {key}"));
    line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("a number")
}

#[test]
#[ignore = "runs in the test machine"]
fn opening_a_thousand_times_costs_nothing() {
    let _vivid = Module::load("vivid", VIVID);
    let mut device = V4l2Device::new(settings("platform:vivid.0", "320x180", 30));
    let mut times = |count: usize| {
        for n in 0..count {
            let mut input = device.open().unwrap_or_else(|error| panic!("{n}: {error}"));
            if n % 100 == 0 {
                assert!(matches!(input.read(PATIENCE), Ok(Glimpse::Shot(_))), "{n}");
            }
        }
        let open_files = fs::read_dir("/proc/self/fd").expect("procfs").count();
        let maps = fs::read_to_string("/proc/self/maps").expect("procfs").lines().count();
        (open_files, maps, figure("/proc/self/status", "VmRSS:"), figure("/proc/meminfo", "MemAvailable:"))
    };
    // Buffers that were kept would fill the machine long before; ten thousand take two minutes.
    let count = 1000;
    let before = times(200);
    let began = Instant::now();
    let after = times(count);
    println!("{count} times in {:?}: {before:?} -> {after:?}", began.elapsed());
    assert_eq!(before.0, after.0, "open files");
    assert!(after.1 <= before.1 + 4, "mappings");
    assert!(after.2 <= before.2 + 1024, "resident memory of ours");
    assert!(after.3 + 16 * 1024 >= before.3, "memory of the kernel");
}

/// Sends the others into the test machine.
#[test]
fn real_drivers_are_treated_rightly() {
    let mut machine = Machine::boot("camera");
    let own = std::env::current_exe().expect("our own name");
    fs::copy(own, machine.share().join("tests")).expect("a copy of ourselves");
    let inside = machine.try_sh("./tests --ignored --test-threads 1 camera::", LIMIT);
    assert!(inside.status == 0 && inside.said.contains("10 passed"), "{}", inside.said);
}
