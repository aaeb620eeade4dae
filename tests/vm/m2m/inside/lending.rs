//! A camera's pictures (vivid's), lent to an encoder (vicodec's).

use std::os::fd::{AsFd, AsRawFd};

use outpost::media::{Dmabuf, Picture, Planes, VideoFrame};
use outpost::source::video::v4l2::{Controls, Delivery, Settings, V4l2Device};
use outpost::source::video::{Glimpse, Image, VideoDevice, VideoInput, Wanted};
use outpost::sys::m2m::Loan;

use super::*;

/// A size that vicodec does not pad.
const ALIKE: (u32, u32) = (640, 480);

/// A camera of vivid's, 30 pictures a second.
fn camera(sides: (u32, u32)) -> Box<dyn VideoInput> {
    let node = std::fs::read_dir("/sys/class/video4linux").expect("/sys").filter_map(Result::ok);
    let mut nodes = node.map(|node| node.path());
    let vivid = nodes.find(|node| {
        let name = std::fs::read_to_string(node.join("name")).unwrap_or_default();
        name.starts_with("vivid") && name.trim().ends_with("vid-cap")
    });
    let vivid = vivid.expect("vivid is loaded");
    let name = vivid.file_name().and_then(|name| name.to_str()).expect("a name");
    let mut device = V4l2Device::new(Settings {
        id: format!("/dev/{name}").parse().expect("a node"),
        wanted: Wanted { size: size(sides), rate: FrameRate::new(30, 1).expect("a rate") },
        delivery: Delivery::Raw,
        format: "nv12".parse().expect("a format"),
        controls: Controls::new(),
    });
    // A node that has just appeared may be busy for a moment.
    let end = Instant::now() + PATIENCE;
    loop {
        match device.open() {
            Ok(input) => return input,
            Err(error) => assert!(Instant::now() < end, "{error}"),
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Does something with the camera's next picture.
fn with_picture<T>(
    camera: &mut dyn VideoInput,
    sides: (u32, u32),
    act: impl FnOnce(&VideoFrame<'_>) -> T,
) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        assert!(Instant::now() < end, "no picture");
        if let Glimpse::Shot(shot) = camera.read(PATIENCE).expect("vivid works") {
            let Image::Raw(planes) = shot.image else { panic!("samples") };
            let pts = shot.captured.to_pts();
            return act(&VideoFrame { pts, size: size(sides), planes, memory: shot.memory });
        }
    }
}

fn lend(coder: &mut Coder, frame: &VideoFrame<'_>) -> Vec<u8> {
    assert_eq!(coder.lend(frame), Loan::Taken);
    let (coded, unit) = fetch(coder).expect("it gives a unit");
    coder.take_back(Instant::now() + PATIENCE).expect("it gives the picture back");
    assert_eq!((coded.pts, header(&unit).0), (frame.pts, ALIKE));
    unit
}

fn copy(coder: &mut Coder, frame: &VideoFrame<'_>) -> Vec<u8> {
    let Planes::Nv12([y, uv]) = frame.planes else { panic!("NV12") };
    let copy = |canvas: Canvas<'_>| {
        let Canvas::Nv12([to_y, to_uv]) = canvas else { panic!("vicodec offers NV12: {canvas:?}") };
        for (from, to) in [(y, to_y), (uv, to_uv)] {
            for (from, to) in from.data.chunks(from.stride).zip(to.data.chunks_mut(to.stride)) {
                to[..from.len()].copy_from_slice(from);
            }
        }
    };
    coder.submit(frame.pts, Instant::now() + PATIENCE, copy).expect("it takes a copy");
    fetch(coder).expect("it gives a unit").1
}

/// One for pictures that lie in vivid's memory as vicodec wants them, each coded by itself.
fn guest_coder() -> Coder {
    let prepared = Prepared::new(encoder(), FourCC::new(&FWHT), size(ALIKE)).expect("such pictures");
    assert_eq!(prepared.device().set(Control::GOP_SIZE, 1).expect("set"), Some(1));
    prepared.start().expect("vicodec starts")
}

#[test]
#[ignore = "runs in the test machine"]
fn a_picture_of_the_cameras_is_coded_alike_lent_or_copied() {
    let (mut camera, mut coder) = (camera(ALIKE), guest_coder());
    let mut before = Vec::new();
    for n in 0..6 {
        let unit = with_picture(&mut *camera, ALIKE, |frame| {
            // Either first; and slates between.
            let (lent, copied) = if n % 2 == 0 {
                (lend(&mut coder, frame), copy(&mut coder, frame))
            } else {
                let copied = copy(&mut coder, frame);
                (lend(&mut coder, frame), copied)
            };
            assert!(lent == copied, "picture {n}: {} and {} bytes", lent.len(), copied.len());
            // The same memory again is declined: caches.
            assert_eq!(coder.lend(frame), Loan::Declined);
            lent
        });
        assert!(unit != before, "it moves");
        before = unit;
        let slate = code(&mut coder, n, Pts::from_ticks(n as i64));
        assert!(slate.0.pts == Pts::from_ticks(n as i64) && slate.1 != before);
    }
}

#[test]
#[ignore = "runs in the test machine"]
fn what_cannot_be_lent_is_declined_and_copied() {
    let (mut camera, mut coder) = (camera(SIZE), coder());
    // 360 rows, of which vicodec makes 368.
    with_picture(&mut *camera, SIZE, |frame| {
        let Loan::Impossible(why) = coder.lend(frame) else { panic!("it takes what lies differently") };
        assert!(why.contains("differently"), "{why}");
        assert!(!copy(&mut coder, frame).is_empty());
    });
    drop((camera, coder));
    // Memory that is none, or too little.
    let (mut camera, mut coder) = (self::camera(SIZE), guest_coder());
    let null = std::fs::File::open("/dev/null").expect("it is there");
    with_picture(&mut *camera, SIZE, |small| {
        for fd in [null.as_fd(), small.memory.expect("vivid shares").fd] {
            let picture = Picture::black(size(ALIKE));
            let Planes::I420([luma, ..]) = picture.planes() else { panic!("planar") };
            let (pts, planes) = (Pts::from_ticks(1), Planes::Nv12([luma, luma]));
            let frame = VideoFrame { pts, size: size(ALIKE), planes, memory: Some(Dmabuf { fd }) };
            let Loan::Impossible(why) = coder.lend(&frame) else { panic!("it takes anything") };
            assert!(why.contains("refuses the memory"), "{why}");
            assert_eq!(code(&mut coder, 0, pts).0.pts, pts);
        }
    });
}

#[test]
#[ignore = "runs in the test machine"]
fn a_driver_that_exports_nothing_codes_as_ever() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let mut camera = camera(ALIKE);
    let prepared = Prepared::new(encoder(), FourCC::new(&FWHT), size(ALIKE)).expect("such pictures");
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("a limit");
    let free = std::fs::File::open("/dev/null").expect("the lowest number that is free").as_raw_fd();
    setrlimit(Resource::RLIMIT_NOFILE, free as u64, hard).expect("a lower limit");
    let coder = prepared.start();
    setrlimit(Resource::RLIMIT_NOFILE, soft, hard).expect("the old limit");
    let mut coder = coder.expect("it starts, with memory that cannot be shared");
    with_picture(&mut *camera, ALIKE, |frame| {
        let Loan::Impossible(why) = coder.lend(frame) else { panic!("it has no place for guests") };
        assert!(why.contains("unsupported"), "{why}");
        assert!(!copy(&mut coder, frame).is_empty());
    });
}

#[test]
#[ignore = "runs in the test machine"]
fn a_camera_that_goes_while_its_picture_is_lent_does_no_harm() {
    let driver = Path::new("/sys/bus/platform/drivers/vivid");
    let mut coder = guest_coder();
    for round in 0..3 {
        let mut camera = camera(ALIKE);
        let mut lose = |frame: &VideoFrame<'_>| {
            match coder.lend(frame) {
                Loan::Taken => {}
                // It has the descriptor of the last one before.
                Loan::Declined => return false,
                Loan::Impossible(why) => panic!("{why}"),
            }
            std::fs::write(driver.join("unbind"), "vivid.0").expect("unbound");
            assert_eq!(fetch(&mut coder).expect("coded all the same").0.pts, frame.pts);
            coder.take_back(Instant::now() + PATIENCE).expect("given back");
            // The memory is there for as long as somebody looks.
            assert!(!copy(&mut coder, frame).is_empty());
            true
        };
        let lost = (0..2).any(|_| with_picture(&mut *camera, ALIKE, &mut lose));
        assert!(lost, "round {round}: one of two pictures is taken");
        assert!((0..100).any(|_| camera.read(PATIENCE / 30).is_err()), "it is gone");
        drop(camera);
        let pts = Pts::from_ticks(round);
        assert_eq!(code(&mut coder, 0, pts).0.pts, pts, "slates meanwhile");
        std::fs::write(driver.join("bind"), "vivid.0").expect("bound");
    }
    // Halted with a picture in its hands, it has none afterwards.
    let mut camera = camera(ALIKE);
    let mut lend = |frame: &VideoFrame<'_>| coder.lend(frame) == Loan::Taken;
    assert!((0..2).any(|_| with_picture(&mut *camera, ALIKE, &mut lend)));
    coder.halt();
    coder.take_back(Instant::now()).expect("nothing is lent any more");
}

#[test]
#[ignore = "runs in the test machine"]
fn hundreds_of_loans_leave_nothing_behind() {
    let held = || {
        let maps = std::fs::read_to_string("/proc/self/maps").expect("/proc");
        (std::fs::read_dir("/proc/self/fd").expect("/proc").count(), maps.matches("/dev/video").count())
    };
    let before = held();
    for round in 0..10 {
        let (mut camera, mut coder) = (camera(ALIKE), guest_coder());
        let at_work = held();
        let mut lent = 0;
        for _ in 0..50 {
            with_picture(&mut *camera, ALIKE, |frame| match coder.lend(frame) {
                Loan::Taken => {
                    fetch(&mut coder).expect("coded");
                    coder.take_back(Instant::now() + PATIENCE).expect("given back");
                    lent += 1;
                }
                Loan::Declined => {}
                Loan::Impossible(why) => panic!("{why}"),
            });
        }
        assert!(lent > 25, "of 50 pictures {lent} were lent");
        assert_eq!(held(), at_work, "at work, round {round}");
    }
    assert_eq!(held(), before, "in the end");
}
