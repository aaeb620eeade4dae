//! V4L2's memory-to-memory encoders on the kernel's own vicodec, single- and multi-planar.
//!
//! vicodec codes FWHT, not H.264: it proves formats, memory, queues, timestamps, draining and errors, not
//! bits. `inside` runs in the test machine, by this very executable; the test at the end sends it there.

use std::time::Duration;

use crate::machine::Machine;

/// For all of `inside`.
const LIMIT: Duration = Duration::from_secs(120);

mod inside {
    use std::path::Path;
    use std::process::Command;
    use std::time::{Duration, Instant};

    use outpost::base::Pts;
    use outpost::encode::{M2m, Preset, Tuning, VideoParams};
    use outpost::media::{FrameRate, Size};
    use outpost::sys::m2m::{Canvas, Coded, Coder, Control, Device, Place, Prepared, Trouble, nodes};
    use v4l::FourCC;

    mod lending;

    const FWHT: [u8; 4] = *b"FWHT";
    /// The smallest picture vicodec takes; it pads the rows to 368.
    const SIZE: (u32, u32) = (640, 360);
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
