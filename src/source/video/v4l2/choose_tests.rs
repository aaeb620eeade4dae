//! What real cameras offer, and what becomes of it.

use super::*;

fn wanted(text: &str) -> Wanted {
    let (size, rate) = text.split_once('@').expect("size@rate");
    let rate = FrameRate::new(rate.parse().expect("a number"), 1).expect("a rate");
    Wanted { size: size.parse().expect("a size"), rate }
}

/// `YUYV 1280x720@10`; without `@` the camera does not tell.
fn offer(text: &str) -> Offer {
    let (layout, rest) = text.split_once(' ').expect("layout size@rate");
    let FormatChoice::Only(layout) = layout.to_ascii_lowercase().parse().expect("a layout") else {
        panic!("{text}: no layout")
    };
    let (size, rate) = rest.split_once('@').map_or((rest, None), |(size, rate)| (size, Some(rate)));
    let rate = rate.map(|rate| FrameRate::new(rate.parse().expect("a number"), 1).expect("a rate"));
    Offer { layout, size: size.parse().expect("a size"), rate }
}

fn chosen(offers: &[&str], what: &str, coding: Coding, format: &str) -> Option<String> {
    let offers: Vec<_> = offers.iter().map(|text| offer(text)).collect();
    choose(&offers, wanted(what), coding, format.parse().expect("a format")).map(|plan| plan.about)
}

/// A usual USB 2 camera.
const WEBCAM: &[&str] = &[
    "YUYV 640x480@30",
    "YUYV 1280x720@10",
    "YUYV 1920x1080@5",
    "MJPEG 640x480@30",
    "MJPEG 1280x720@30",
    "MJPEG 1920x1080@30",
];
/// A camera that codes by itself.
const CODER: &[&str] = &["MJPEG 1280x720@30", "H264 640x480@30", "H264 1280x720@30", "H264 1920x1080@30"];

#[test]
fn what_costs_least_for_what_is_asked() {
    let table: &[(&[&str], &str, &str)] = &[
        (WEBCAM, "640x480@30", "YUYV 640x480 at 30: it offers nothing that costs less"),
        (WEBCAM, "1280x720@30", "MJPEG 1280x720 at 30: YUYV reaches only 10 at this size"),
        (WEBCAM, "1280x720@10", "YUYV 1280x720 at 10: it offers nothing that costs less"),
        (WEBCAM, "1920x1080@60", {
            "MJPEG 1920x1080 at 30: YUYV reaches only 5 at this size; \
             no format reaches 60 pictures a second at this size"
        }),
        // Scaled down from the smallest larger one of the same shape.
        (WEBCAM, "960x540@30", {
            "MJPEG 1280x720 at 30, scaled to 960x540: no smaller size serves; \
             YUYV reaches only 10 at this size"
        }),
        (&["NV12 800x600@30", "NV12 2560x1440@30", "NV12 1920x1440@30"], "1280x720@30", {
            "NV12 2560x1440 at 30, scaled to 1280x720: no smaller size serves; it needs no conversion"
        }),
        // Of another shape, rather than one that is too small.
        (&["YU12 640x480@30", "YU12 1600x1200@30", "YU12 2592x1944@30"], "1280x720@30", {
            "YU12 1600x1200 at 30, scaled to 1280x720: no smaller size serves; it needs no conversion"
        }),
        (&["YUYV 320x240@30", "YUYV 640x480@30", "YUYV 640x360@30"], "1280x720@30", {
            "YUYV 640x480 at 30, scaled to 1280x720: the largest it has; it offers nothing that costs less"
        }),
        // The size comes before what it costs.
        (&["NV12 640x480@30", "MJPEG 1280x720@30"], "1280x720@30", {
            "MJPEG 1280x720 at 30: NV12 comes only in 640x480"
        }),
        (&["YU12 640x480@30", "NV12 640x480@30", "YUYV 640x480@30"], "640x480@30", {
            "NV12 640x480 at 30: it needs no conversion"
        }),
        // A loopback that does not tell its rates; a rate a little above is as good.
        (&["MJPEG 640x480", "YUYV 640x480"], "640x480@30", "YUYV 640x480: it offers nothing that costs less"),
        (&["YUYV 640x480@50", "MJPEG 640x480@30"], "640x480@30", {
            "YUYV 640x480 at 50: it offers nothing that costs less"
        }),
        (CODER, "1280x720@30", "MJPEG 1280x720 at 30: it offers nothing that costs less"),
    ];
    for (offers, what, about) in table {
        assert_eq!(chosen(offers, what, Coding::Raw, "auto").as_deref(), Some(*about), "{offers:?} {what}");
    }
}

#[test]
fn h264_is_taken_only_to_be_passed_on() {
    let table: &[(&[&str], &str, Option<&str>)] = &[
        (CODER, "1280x720@30", Some("H264 1280x720 at 30: the camera codes it itself")),
        (CODER, "1600x900@30", Some("H264 1280x720 at 30: the nearest to 1600x900 it codes itself")),
        (CODER, "320x240@30", Some("H264 640x480 at 30: the nearest to 320x240 it codes itself")),
        (&["H264 1280x720@15"], "1280x720@30", {
            Some(
                "H264 1280x720 at 15: the camera codes it itself; \
                 no format reaches 30 pictures a second at this size",
            )
        }),
        (WEBCAM, "1280x720@30", None),
    ];
    for (offers, what, about) in table {
        assert_eq!(chosen(offers, what, Coding::H264, "auto").as_deref(), *about, "{offers:?} {what}");
    }
    assert_eq!(chosen(&["H264 1280x720@30"], "1280x720@30", Coding::Raw, "auto"), None);
}

#[test]
fn what_is_forced_is_taken_or_nothing() {
    let forced = |format| chosen(WEBCAM, "1280x720@30", Coding::Raw, format);
    assert_eq!(
        forced("yuyv").as_deref(),
        Some(
            "YUYV 1280x720 at 10: YUYV is what the configuration asks for; \
             no format reaches 30 pictures a second at this size"
        )
    );
    assert_eq!(forced("nv12"), None);
    for format in ["auto", "h264", "nv12", "yu12", "yuyv", "mjpeg"] {
        assert_eq!(format.parse::<FormatChoice>().map(|choice| choice.to_string()), Ok(format.to_owned()));
    }
    assert!("MJPG".parse::<FormatChoice>().expect_err("no format").contains("\"mjpeg\""));
}
