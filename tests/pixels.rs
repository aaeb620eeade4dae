//! Conversion, scaling and JPEG judged by ffmpeg, which does the same in its own way; and what they allocate.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::io::Write;
use std::process::{Command, Stdio};

use outpost::media::{Picture, Plane, Planes, Size};
use outpost::pixel::{Scaler, jpeg, yuyv};

struct Counting;

thread_local! {
    // Of one thread alone: the test harness has another, which allocates when it likes.
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
    static ALLOCATED: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: everything is the system's allocator; only counters are added.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        ALLOCATED.set(ALLOCATED.get() + layout.size());
        // SAFETY: the caller keeps GlobalAlloc's contract, which is the system's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: `pointer` came from `alloc` above, that is from the system.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// Allocations and bytes that `work` takes.
fn taken(work: impl FnOnce()) -> (usize, usize) {
    let before = (ALLOCATIONS.get(), ALLOCATED.get());
    work();
    (ALLOCATIONS.get() - before.0, ALLOCATED.get() - before.1)
}

/// What ffmpeg makes of `input`.
fn ffmpeg(arguments: &str, input: &[u8]) -> Vec<u8> {
    let mut child = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error"])
        .args(arguments.split(' '))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("ffmpeg starts; .ci/setup test installs it");
    let mut stdin = child.stdin.take().expect("it is piped");
    let input = input.to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().expect("ffmpeg ends");
    assert!(output.status.success(), "ffmpeg {arguments}: {}", output.status);
    writer.join().expect("the writer ends").expect("ffmpeg reads it all");
    assert!(!output.stdout.is_empty(), "ffmpeg {arguments} gave nothing");
    output.stdout
}

fn size(text: &str) -> Size {
    text.parse().expect("a size")
}

/// ffmpeg's test picture in one of its pixel formats.
fn test_picture(size: Size, format: &str) -> Vec<u8> {
    ffmpeg(&format!("-f lavfi -i testsrc2=size={size} -frames:v 1 -pix_fmt {format} -f rawvideo -"), &[])
}

/// The same as a JPEG picture, as cameras write it: with the standard Huffman tables.
fn test_jpeg(size: Size, format: &str) -> Vec<u8> {
    ffmpeg(
        &format!(
            "-f lavfi -i testsrc2=size={size} -frames:v 1 -pix_fmt {format} -c:v mjpeg -q:v 2 -huffman default \
             -f image2pipe -"
        ),
        &[],
    )
}

fn planes(size: Size, bytes: &[u8]) -> Planes<'_> {
    let width = size.width();
    let (y, chroma) = bytes[..size.bytes()].split_at(width * size.height());
    let (u, v) = chroma.split_at(chroma.len() / 2);
    Planes::I420([(y, width), (u, width / 2), (v, width / 2)].map(|(data, stride)| Plane { data, stride }))
}

fn samples(picture: &Picture) -> Vec<u8> {
    let Planes::I420(planes) = picture.planes() else { panic!("pictures are I420") };
    planes.map(|plane| plane.data).concat()
}

/// How far `ours` is from `theirs`: at most, and as peak signal to noise ratio in dB, of each plane.
fn distance(size: Size, ours: &[u8], theirs: &[u8]) -> (u8, [f64; 3]) {
    assert_eq!((ours.len(), theirs.len()), (size.bytes(), size.bytes()));
    let most = ours.iter().zip(theirs).map(|(a, b)| a.abs_diff(*b)).max().expect("a picture has samples");
    let luma = size.width() * size.height();
    let psnr = [0..luma, luma..luma * 5 / 4, luma * 5 / 4..luma * 3 / 2].map(|range| {
        let len = range.len() as f64;
        let squares = ours[range.clone()].iter().zip(&theirs[range]);
        let noise: f64 = squares.map(|(a, b)| f64::from(a.abs_diff(*b)).powi(2)).sum();
        10.0 * (255.0 * 255.0 * len / noise).log10()
    });
    (most, psnr)
}

fn assert_near(what: &str, size: Size, ours: &[u8], theirs: &[u8], least: f64) {
    let (most, psnr) = distance(size, ours, theirs);
    println!("{what}: {most} at most, {psnr:.1?} dB");
    assert!(psnr.iter().all(|psnr| *psnr >= least), "{what}: {most} at most, {psnr:.1?} dB");
}

#[test]
fn yuyv_as_libswscale_takes_it_apart() {
    for size in ["1280x720", "322x242", "16x16"].map(size) {
        let packed = test_picture(size, "yuyv422");
        let mut picture = Picture::black(size);
        yuyv::to_i420(&packed, 2 * size.width(), &mut picture).expect("a whole picture");
        let theirs = ffmpeg(
            &format!("-f rawvideo -pix_fmt yuyv422 -s {size} -i - -pix_fmt yuv420p -f rawvideo -"),
            &packed,
        );
        let (most, _) = distance(size, &samples(&picture), &theirs);
        assert!(most <= 1, "{size}: {most}");
    }
}

#[test]
fn jpeg_as_ffmpeg_reads_it() {
    let size = size("320x240");
    let mut decoder = jpeg::Decoder::new().expect("memory");
    let mut picture = Picture::black(size);
    for format in ["yuvj420p", "yuvj422p", "yuvj444p"] {
        let bytes = test_jpeg(size, format);
        decoder.decode(&bytes, &mut picture).expect("a whole picture");
        let ours = samples(&picture);
        let theirs = ffmpeg(
            "-f mjpeg -i - -vf scale=in_range=pc:out_range=tv:flags=area+accurate_rnd -pix_fmt yuv420p -f rawvideo -",
            &bytes,
        );
        assert_near(format, size, &ours, &theirs, 55.0);

        let bare = without_tables(&bytes);
        assert!(bare.len() + 400 < bytes.len(), "the standard tables take 420 bytes");
        decoder.decode(&bare, &mut picture).expect("the standard tables need not be there");
        assert_eq!(samples(&picture), ours, "{format}");
    }
}

/// The picture without its DHT segments (ITU-T T.81, B.2.4.2), as UVC cameras send it.
fn without_tables(bytes: &[u8]) -> Vec<u8> {
    let (mut bare, mut at) = (bytes[..2].to_vec(), 2);
    while bytes[at + 1] != 0xDA {
        let end = at + 2 + usize::from(u16::from_be_bytes([bytes[at + 2], bytes[at + 3]]));
        if bytes[at + 1] != 0xC4 {
            bare.extend_from_slice(&bytes[at..end]);
        }
        at = end;
    }
    [&bare, &bytes[at..]].concat()
}

#[test]
fn ffmpeg_reads_our_jpeg() {
    let size = size("322x242");
    let original = test_picture(size, "yuv420p");
    let mut picture = Picture::black(size);
    Scaler::new().scale(size, &planes(size, &original), &mut picture).expect("a whole picture");
    let bytes = jpeg::encode(&picture, 95).expect("a JPEG");
    let theirs = ffmpeg(
        "-f mjpeg -i - -vf scale=in_range=pc:out_range=tv:flags=area+accurate_rnd -pix_fmt yuv420p -f rawvideo -",
        &bytes,
    );
    assert_near("our JPEG", size, &original, &theirs, 40.0);
}

#[test]
fn scaled_as_libswscale_scales() {
    let table = [
        ("1280x720", "640x360", "scale=640:360:flags=area+accurate_rnd"),
        ("640x480", "1280x720", "scale=960:720:flags=bilinear+accurate_rnd,pad=1280:720:160:0:black"),
        ("1280x720", "640x480", "scale=640:360:flags=area+accurate_rnd,pad=640:480:0:60:black"),
        ("320x240", "322x242", "scale=322:242:flags=bilinear+accurate_rnd"),
        ("1280x720", "426x240", "scale=426:240:flags=bilinear+accurate_rnd"),
    ];
    for (from, to, filter) in table {
        let (from, to) = (size(from), size(to));
        let original = test_picture(from, "yuv420p");
        let mut picture = Picture::black(to);
        Scaler::new().scale(from, &planes(from, &original), &mut picture).expect("a whole picture");
        let theirs = ffmpeg(
            &format!(
                "-f rawvideo -pix_fmt yuv420p -s {from} -i - -vf {filter} -pix_fmt \
                 yuv420p -f rawvideo -"
            ),
            &original,
        );
        assert_near(&format!("{from} to {to}"), to, &samples(&picture), &theirs, 50.0);
    }
}

#[test]
fn nothing_is_allocated_for_each_picture() {
    let (from, to) = (size("640x480"), size("1280x720"));
    let mut picture = Picture::black(from);
    let packed = test_picture(from, "yuyv422");
    assert_eq!(taken(|| yuyv::to_i420(&packed, 1280, &mut picture).expect("a whole picture")), (0, 0));

    let mut decoder = jpeg::Decoder::new().expect("memory");
    let coded = test_jpeg(from, "yuvj422p");
    decoder.decode(&coded, &mut picture).expect("a whole picture");
    assert_eq!(taken(|| decoder.decode(&coded, &mut picture).expect("a whole picture")), (0, 0));

    let mut scaler = Scaler::new();
    let original = test_picture(from, "yuv420p");
    let mut larger = Picture::black(to);
    let mut scale = || scaler.scale(from, &planes(from, &original), &mut larger).expect("a whole picture");
    scale();
    // The library works out its weights for each plane anew: no samples, but for them it takes memory.
    let (allocations, bytes) = taken(scale);
    println!("scaling: {allocations} allocations, {bytes} bytes");
    assert!(bytes < 300_000, "{allocations} allocations, {bytes} bytes");
}
