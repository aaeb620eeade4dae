//! V4L2's memory-to-memory encoders on the kernel's own vicodec, single- and multi-planar.
//!
//! vicodec codes FWHT, not H.264: it proves formats, memory, queues, timestamps, draining and errors, not
//! bits. `inside` runs in the test machine, by this very executable; the test at the end sends it there.

use std::time::Duration;

use crate::machine::Machine;

/// For all of `inside`.
const LIMIT: Duration = Duration::from_secs(120);

mod inside {
    use std::os::fd::{AsFd, AsRawFd};
    use std::path::Path;
    use std::process::Command;
    use std::time::{Duration, Instant};

    use outpost::base::Pts;
    use outpost::encode::{M2m, Preset, Tuning, VideoParams};
    use outpost::media::{Dmabuf, FrameRate, Picture, Planes, Size, VideoFrame};
    use outpost::source::video::v4l2::{Controls, Delivery, Settings, V4l2Device};
    use outpost::source::video::{Glimpse, Image, VideoDevice, VideoInput, Wanted};
    use outpost::sys::m2m::{Canvas, Coded, Coder, Control, Device, Loan, Place, Prepared, Trouble, nodes};
    use v4l::FourCC;

    const FWHT: [u8; 4] = *b"FWHT";
    /// The smallest picture vicodec takes; it pads the rows to 368.
    const SIZE: (u32, u32) = (640, 360);
    /// One that it does not pad.
    const ALIKE: (u32, u32) = (640, 480);
    /// Under emulation nothing is quick.
    const PATIENCE: Duration = Duration::from_secs(30);

    fn size((width, height): (u32, u32)) -> Size {
        Size::new(width, height).expect("a size")
    }

    /// The nodes of vicodec that code FWHT: one.
    fn encoder() -> Device {
        let open = |path: &std::path::PathBuf| Device::open(path).expect("a node that opens");
        let found: Vec<Device> =
            nodes().expect("/dev").iter().filter_map(open).filter(|d| d.codes(FourCC::new(&FWHT))).collect();
        let [device] = <[Device; 1]>::try_from(found).expect("one encoder of FWHT: is vicodec loaded?");
        assert_eq!((device.driver(), device.card()), ("vicodec", "vicodec"));
        device
    }

    fn prepared() -> Prepared {
        Prepared::new(encoder(), FourCC::new(&FWHT), size(SIZE)).expect("vicodec takes such pictures")
    }

    fn coder() -> Coder {
        prepared().start().expect("vicodec starts")
    }

    /// A picture of rows that grow brighter downwards, moving on with `n`, and of two colours.
    fn paint(n: usize, canvas: Canvas<'_>) {
        let Canvas::Nv12([y, uv]) = canvas else { panic!("vicodec offers NV12: {canvas:?}") };
        for (row, samples) in y.data.chunks_mut(y.stride).enumerate() {
            samples.fill(luma(row, n));
        }
        for pair in uv.data.chunks_exact_mut(2) {
            pair.copy_from_slice(&[90, 170]);
        }
    }

    fn luma(row: usize, n: usize) -> u8 {
        (32 + row / 2 + n * 2) as u8
    }

    fn submit(coder: &mut Coder, n: usize, pts: Pts) -> Result<(), Trouble> {
        coder.submit(pts, Instant::now() + PATIENCE, |canvas| paint(n, canvas))
    }

    fn fetch(coder: &mut Coder) -> Result<(Coded, Vec<u8>), Trouble> {
        let mut unit = Vec::new();
        coder.fetch(Instant::now() + PATIENCE, &mut unit).map(|coded| (coded, unit))
    }

    fn code(coder: &mut Coder, n: usize, pts: Pts) -> (Coded, Vec<u8>) {
        submit(coder, n, pts).expect("it takes a picture");
        fetch(coder).expect("it gives a unit")
    }

    /// The header of FWHT (`struct fwht_cframe_hdr`): visible size, and whether it is a key frame.
    fn header(unit: &[u8]) -> ((u32, u32), bool) {
        let word = |at: usize| u32::from_be_bytes(unit[at..at + 4].try_into().expect("four bytes"));
        assert_eq!((word(0), word(4)), (0x4F4F_4F4F, 0xFFFF_FFFF), "FWHT begins with its mark");
        ((word(12), word(16)), word(20) & 0x400 != 0)
    }

    #[test]
    #[ignore = "runs in the test machine"]
    fn formats_are_settled_or_refused_with_a_reason() {
        let of = |code: [u8; 4], sides| Prepared::new(encoder(), FourCC::new(&code), size(sides)).map(|_| ());
        assert!(of(FWHT, SIZE).is_ok());
        assert!(of(FWHT, (1280, 720)).is_ok());
        let table = [
            // Too small: it would pad to its smallest, and cannot be told to crop that.
            (of(FWHT, (320, 240)), "it offers 640x360 instead"),
            (of(FWHT, (8192, 4320)), "it offers 4096x2160 instead"),
            (of(*b"H264", SIZE), "it codes FWHT instead"),
        ];
        for (refused, words) in table {
            assert_eq!(refused.expect_err(words).to_string(), words);
        }
        // The other nodes of vicodec decode; they and everything else are passed by.
        let rate = FrameRate::new(30, 1).expect("a rate");
        let tuning = Tuning { bitrate: 1_000_000, rate };
        let params = VideoParams { size: size(SIZE), rate, tuning, preset: Preset::default() };
        let reason = M2m::open(params).map(|_| ()).expect_err("vicodec knows no H.264").to_string();
        assert_eq!(reason, "hardware H.264 encoder (V4L2): this board has none");
    }

    #[test]
    #[ignore = "runs in the test machine"]
    fn timestamps_go_through_and_units_keep_their_order() {
        let mut coder = coder();
        let times = (0..20).map(|n| Pts::from_ticks(8_123_456_789 + n * 3003 + n % 3));
        for (n, pts) in times.enumerate() {
            let (coded, unit) = code(&mut coder, n, pts);
            assert_eq!((coded.pts, coded.place), (pts, Place::Amidst), "picture {n}");
            assert_eq!(header(&unit).0, SIZE, "cropped to what was asked for");
        }
    }

    #[test]
    #[ignore = "runs in the test machine"]
    fn controls_work_before_and_at_work_or_are_said_not_to_be_there() {
        let prepared = prepared();
        let device = prepared.device();
        assert_eq!(device.set(Control::GOP_SIZE, 16).expect("set"), Some(16));
        assert_eq!(device.set(Control::GOP_SIZE, 100_000).expect("set to the most there is"), Some(16));
        for missing in [Control::FORCE_KEY_FRAME, Control::BITRATE, Control::H264_PROFILE] {
            assert_eq!(device.set(missing, 1).expect("no fault"), None, "{}", missing.name);
        }
        let mut coder = prepared.start().expect("vicodec starts");
        // Texture that stands still: where all is flat, vicodec has no use for the picture before.
        let texture = |canvas: Canvas<'_>| {
            let Canvas::Nv12([y, _]) = canvas else { panic!("vicodec offers NV12: {canvas:?}") };
            y.data.iter_mut().enumerate().for_each(|(n, sample)| *sample = (n % 251 * 37) as u8);
        };
        let keys = |coder: &mut Coder, count| -> Vec<bool> {
            let code = |n| {
                coder.submit(Pts::from_ticks(n), Instant::now() + PATIENCE, texture).expect("taken");
                header(&fetch(coder).expect("coded").1).1
            };
            (1..=count).map(code).collect()
        };
        assert_eq!(keys(&mut coder, 4), [true, false, false, false]);
        coder.device().set(Control::GOP_SIZE, 1).expect("set at work");
        // From the picture on that follows the next one: vicodec looks at it when a picture is done.
        assert_eq!(keys(&mut coder, 4)[1..], [true, true, true]);
    }

    #[test]
    #[ignore = "runs in the test machine"]
    fn what_is_coded_is_what_was_painted() {
        // Judged by the kernel's decoder, driven by v4l2-ctl.
        let mut coder = coder();
        let pictures = 5;
        let stream: Vec<u8> =
            (0..pictures).flat_map(|n| code(&mut coder, n, Pts::from_ticks(n as i64)).1).collect();
        drop(coder);
        std::fs::write("/tmp/coded.fwht", stream).expect("written");
        let decoder = nodes().expect("/dev").into_iter().find(|path| {
            let list = Command::new("v4l2-ctl").arg("-d").arg(path).arg("--list-formats-out").output();
            String::from_utf8_lossy(&list.expect("v4l2-ctl").stdout).contains("'FWHT'")
        });
        let decoder = decoder.expect("vicodec decodes, too");
        let done = Command::new("v4l2-ctl")
            .arg("-d")
            .arg(decoder)
            .args(["--stream-mmap", "--stream-out-mmap", "--stream-from", "/tmp/coded.fwht"])
            .args(["--stream-to", "/tmp/decoded.yuv"])
            .output()
            .expect("v4l2-ctl");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        let decoded = std::fs::read("/tmp/decoded.yuv").expect("v4l2-ctl writes it");
        let (width, height) = (SIZE.0 as usize, SIZE.1 as usize);
        let bytes = width * height * 3 / 2;
        assert_eq!(decoded.len() / bytes, pictures, "v4l2-ctl crops to what is visible");
        for (n, picture) in decoded.chunks_exact(bytes).enumerate() {
            let (y, chroma) = picture.split_at(width * height);
            let (u, v) = chroma.split_at(width * height / 4);
            let off = |found: &[u8], wanted: &dyn Fn(usize) -> u8| {
                let sum: u64 =
                    found.iter().enumerate().map(|(at, s)| u64::from(s.abs_diff(wanted(at)))).sum();
                sum as f64 / found.len() as f64
            };
            let off = (off(y, &|at| luma(at / width, n)), off(u, &|_| 90), off(v, &|_| 170));
            assert!(off.0 < 3.0 && off.1 < 3.0 && off.2 < 3.0, "picture {n}: off by {off:?} on average");
        }
    }

    #[test]
    #[ignore = "runs in the test machine"]
    fn draining_gives_everything_and_an_end() {
        let mut coder = coder();
        let times = [Pts::from_ticks(90_000), Pts::from_ticks(93_000)];
        for (n, pts) in times.into_iter().enumerate() {
            submit(&mut coder, n, pts).expect("it takes two pictures");
        }
        coder.drain().expect("it can be drained");
        let mut given = Vec::new();
        loop {
            let (coded, unit) = fetch(&mut coder).expect("up to the last");
            given.extend((!unit.is_empty()).then_some(coded.pts));
            if coded.place == Place::Last {
                break;
            }
        }
        assert_eq!(given, times);
        let begin = Instant::now();
        assert!(fetch(&mut coder).is_err(), "nothing comes after the last");
        assert!(begin.elapsed() < PATIENCE / 2, "and that is said at once");
    }

    #[test]
    #[ignore = "runs in the test machine"]
    fn silence_ends_with_the_deadline() {
        let mut coder = coder();
        let begin = Instant::now();
        let silence = coder.fetch(begin + Duration::from_millis(300), &mut Vec::new());
        let taken = begin.elapsed();
        assert!(matches!(silence, Err(Trouble::Silent)), "{silence:?}");
        assert!((Duration::from_millis(300)..Duration::from_secs(5)).contains(&taken), "{taken:?}");
        // Pictures that nobody fetches: first the coded ones have no room, then neither have the others.
        let full = (0..10).find_map(|n| {
            let deadline = Instant::now() + Duration::from_millis(300);
            coder.submit(Pts::from_ticks(n), deadline, |_| ()).err()
        });
        assert!(matches!(full, Some(Trouble::Silent)), "{full:?}");
        assert_eq!(fetch(&mut coder).expect("it goes on").0.pts, Pts::from_ticks(0));
    }

    #[test]
    #[ignore = "runs in the test machine"]
    fn it_can_be_stopped_in_the_middle_and_used_by_two() {
        let mut first = coder();
        submit(&mut first, 0, Pts::from_ticks(1)).expect("taken");
        let mut second = coder();
        assert_eq!(code(&mut second, 0, Pts::from_ticks(7)).0.pts, Pts::from_ticks(7));
        drop(first);
        assert_eq!(code(&mut second, 1, Pts::from_ticks(8)).0.pts, Pts::from_ticks(8));
        assert_eq!(code(&mut coder(), 0, Pts::from_ticks(2)).0.pts, Pts::from_ticks(2));
    }

    #[test]
    #[ignore = "runs in the test machine"]
    fn a_lack_of_memory_is_told_and_leaves_nothing_behind() {
        use nix::sys::resource::{Resource, getrlimit, setrlimit};
        let own = |file: &str| std::fs::read_to_string(file).expect("/proc");
        let before = own("/proc/self/maps").matches("/dev/video").count();
        let prepared = prepared();
        let pages: u64 =
            own("/proc/self/statm").split(' ').next().and_then(|n| n.parse().ok()).expect("a size");
        let (soft, hard) = getrlimit(Resource::RLIMIT_AS).expect("a limit");
        setrlimit(Resource::RLIMIT_AS, pages * 4096 + (1 << 20), hard).expect("a lower limit");
        let refused = prepared.start().map(|_| ());
        setrlimit(Resource::RLIMIT_AS, soft, hard).expect("the old limit");
        let Err(Trouble::Memory(fault)) = refused else { panic!("{refused:?}") };
        assert_eq!(fault.raw_os_error(), Some(libc::ENOMEM));
        assert_eq!(own("/proc/self/maps").matches("/dev/video").count(), before);
        assert!(!code(&mut coder(), 0, Pts::from_ticks(1)).1.is_empty());
    }

    #[test]
    #[ignore = "runs in the test machine"]
    fn hundreds_of_encoders_one_after_the_other_cost_nothing() {
        // One has 3.5 MB of buffers: so many of them would not fit into this machine. Twice this makes a
        // thousand.
        let held = || {
            let count = |folder: &str| std::fs::read_dir(folder).expect("/proc").count();
            let maps = std::fs::read_to_string("/proc/self/maps").expect("/proc");
            let status = std::fs::read_to_string("/proc/meminfo").expect("/proc");
            let line = status.lines().find(|line| line.starts_with("MemAvailable:")).expect("a line");
            let free: i64 = line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).expect("kB");
            (count("/proc/self/fd"), maps.matches("/dev/video").count(), free)
        };
        code(&mut coder(), 0, Pts::from_ticks(1));
        let before = held();
        for n in 0..500 {
            let mut coder = coder();
            match n % 50 {
                0 => drop(code(&mut coder, 0, Pts::from_ticks(n))),
                1 => submit(&mut coder, 0, Pts::from_ticks(n)).expect("taken"),
                _ => {}
            }
        }
        let after = held();
        assert_eq!((after.0, after.1), (before.0, before.1), "descriptors and mappings");
        assert!(before.2 - after.2 < 32 << 10, "{} kB gone", before.2 - after.2);
    }

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

    /// The last one: it takes the driver away.
    #[test]
    #[ignore = "runs in the test machine"]
    fn zz_a_device_that_is_taken_away_is_an_error_and_no_wait() {
        let mut coder = coder();
        code(&mut coder, 0, Pts::from_ticks(1));
        let driver = Path::new("/sys/bus/platform/drivers/vicodec");
        let entries = std::fs::read_dir(driver).expect("the driver is there");
        let mut bound = entries.filter_map(Result::ok).map(|entry| entry.file_name());
        let bound = bound.find(|name| name.to_string_lossy().starts_with("vicodec"));
        let bound = bound.expect("the driver has its device");
        std::fs::write(driver.join("unbind"), bound.as_encoded_bytes()).expect("unbound");
        let begin = Instant::now();
        let gone = submit(&mut coder, 1, Pts::from_ticks(2)).and_then(|()| fetch(&mut coder).map(|_| ()));
        assert!(gone.is_err(), "nothing is coded any more");
        assert!(begin.elapsed() < PATIENCE / 2, "{gone:?} after {:?}", begin.elapsed());
        assert!(coder.fetch(Instant::now() + PATIENCE, &mut Vec::new()).is_err());
        assert!(begin.elapsed() < PATIENCE / 2, "waiting ends at once, too");
    }
}

/// Sends `inside` into the test machine.
#[test]
fn a_codec_of_the_kernels_is_driven_rightly_single_and_multi_planar() {
    let mut machine = Machine::boot("m2m");
    let own = std::env::current_exe().expect("our own name");
    std::fs::copy(own, machine.share().join("tests")).expect("a copy of ourselves");
    for multiplanar in [0, 1] {
        machine.sh(&format!("modprobe vicodec multiplanar={multiplanar}"));
        machine.sh("modprobe vivid n_devs=1 node_types=0x1");
        let inside = machine.try_sh("./tests --ignored --test-threads 1 m2m::inside", LIMIT);
        assert!(inside.status == 0 && inside.said.contains("15 passed"), "{}", inside.said);
        machine.sh("rmmod vicodec vivid");
    }
}
