//! `outpost devices`: what can be captured from, for people and for programs.

use std::fmt::Write as _;

use serde::Serialize;

use crate::source::alsa::{CaptureDevice, Kind, Offers};
use crate::source::video::v4l2::{Camera, Format};

const CARD_HEADS: [&str; 6] = ["DEVICE", "CHANNELS", "RATES", "FORMATS", "STATE", "DESCRIPTION"];
const CAMERA_HEADS: [&str; 5] = ["CAMERA", "NODE", "PICTURES", "STATE", "DESCRIPTION"];

/// Everything that can be captured from.
#[derive(Serialize)]
pub struct Devices {
    /// Cards, and the names that ALSA's configuration gives.
    pub sound: Vec<CaptureDevice>,
    /// Cameras, and whatever else gives pictures.
    pub cameras: Vec<Camera>,
}

const NONE: &str = "\
No sound card found. What to check:

  Is the card plugged in?              cat /proc/asound/cards lists what the kernel sees
  May you use it?                      sudo usermod -aG audio $USER, then log in again
  In a container or virtual machine?   it must be given the card (docker run --device /dev/snd)

`outpost demo` plays without a sound card.
";

const NO_CAMERA: &str = "\
No camera found. What to check:

  Is the camera plugged in?            ls /dev/video*, and dmesg after plugging it in
  May you use it?                      sudo usermod -aG video $USER, then log in again
  In a container or virtual machine?   it must be given the camera (docker run --device /dev/video0)
  A camera of the Raspberry Pi?        kind = \"command\" with rpicam-vid reads it (see README.md)
";

/// The devices as tables, or what to check where there are none.
pub fn table(devices: &Devices) -> String {
    let mut text = cards(&devices.sound);
    text.push('\n');
    text.push_str(&cameras(&devices.cameras));
    if !devices.sound.is_empty() || !devices.cameras.is_empty() {
        text.push_str("\nThe first column is what to write as `device` in the configuration.\n");
    }
    if !devices.cameras.is_empty() {
        text.push_str(
            "`outpost devices --json` tells every size and rate of the cameras, and their controls.\n",
        );
    }
    text
}

fn cards(devices: &[CaptureDevice]) -> String {
    let mut text = String::new();
    if !devices.iter().any(|device| device.kind == Kind::Hardware) {
        text.push_str(NONE);
    }
    if devices.is_empty() {
        return text;
    }
    if !text.is_empty() {
        text.push_str("\nNames that ALSA's configuration gives, which may lead to a sound server:\n\n");
    }
    text + &lines(CARD_HEADS, devices.iter().map(card))
}

fn cameras(devices: &[Camera]) -> String {
    if devices.is_empty() { NO_CAMERA.to_owned() } else { lines(CAMERA_HEADS, devices.iter().map(camera)) }
}

/// Columns as wide as what stands in them.
fn lines<const N: usize>(heads: [&str; N], rows: impl Iterator<Item = [String; N]>) -> String {
    let clean = |row: [String; N]| row.map(|cell| cell.replace(char::is_control, " "));
    let rows: Vec<_> = std::iter::once(heads.map(str::to_owned)).chain(rows.map(clean)).collect();
    let widths: [usize; N] =
        std::array::from_fn(|n| rows.iter().map(|row| row[n].chars().count()).max().unwrap_or(0));
    let mut text = String::new();
    for row in rows {
        let line: String = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}  ")).collect();
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

/// The devices as a JSON object.
pub fn json(devices: &Devices) -> String {
    serde_json::to_string_pretty(devices).expect("strings and numbers are always JSON") + "\n"
}

fn card(device: &CaptureDevice) -> [String; CARD_HEADS.len()] {
    let range = |low: &u32, high: &u32| if low == high { low.to_string() } else { format!("{low}-{high}") };
    let [channels, rates, formats] = match &device.offers {
        Some(Offers { channels, rates, formats }) => {
            [range(channels.start(), channels.end()), range(rates.start(), rates.end()), formats.join(",")]
        }
        None => ["?"; 3].map(str::to_owned),
    };
    [device.id.to_string(), channels, rates, formats, device.usage.to_string(), device.description.clone()]
}

fn camera(camera: &Camera) -> [String; CAMERA_HEADS.len()] {
    // The two that say most: of those told the ones with the most pictures.
    let mut formats: Vec<&Format> = camera.formats.iter().collect();
    formats.sort_by_key(|format| {
        std::cmp::Reverse(format.sizes.iter().map(|size| size.rates.len()).sum::<usize>())
    });
    let mut pictures: Vec<String> = formats.iter().take(2).map(|format| best(format)).collect();
    if formats.len() > 2 {
        pictures.push(format!("+{}", formats.len() - 2));
    }
    let pictures = if pictures.is_empty() { "?".to_owned() } else { pictures.join(", ") };
    [camera.id.to_string(), camera.node.clone(), pictures, camera.usage.to_string(), camera.card.clone()]
}

/// `MJPG 1920x1080@30`: a format's largest size, and how fast that comes.
fn best(format: &Format) -> String {
    let pixels = |size: &str| {
        let sides = size.rsplit(' ').next().and_then(|size| size.split_once('x'));
        sides.and_then(|(w, h)| Some(w.parse::<u64>().ok()? * h.parse::<u64>().ok()?)).unwrap_or(0)
    };
    let Some(largest) = format.sizes.iter().max_by_key(|size| pixels(&size.size)) else {
        return format.fourcc.clone();
    };
    // Of a range, its upper end.
    let size = largest.size.rsplit(' ').next().unwrap_or(&largest.size);
    let rate = largest.rates.iter().copied().reduce(f64::max);
    rate.map_or_else(
        || format!("{} {size}", format.fourcc),
        |rate| format!("{} {size}@{}", format.fourcc, (rate * 10.0).round() / 10.0),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::alsa::{Holder, Use};
    use crate::source::video::v4l2::FrameSize;

    fn three() -> Vec<CaptureDevice> {
        let id = |text: &str| text.parse().expect("a device");
        vec![
            CaptureDevice {
                id: id("usb:1-1.2"),
                model: Some(id("usb:0d8c:0014")),
                pcm: "hw:CARD=Device,DEV=0".to_owned(),
                description: "USB Audio Device".to_owned(),
                kind: Kind::Hardware,
                offers: Some(Offers {
                    channels: 1..=2,
                    rates: 44_100..=48_000,
                    formats: vec!["S16_LE".to_owned()],
                }),
                usage: Use::Free,
            },
            CaptureDevice {
                id: id("hw:CARD=Loopback,DEV=1"),
                model: None,
                pcm: "hw:CARD=Loopback,DEV=1".to_owned(),
                description: "Loopback\nPCM".to_owned(),
                kind: Kind::Hardware,
                offers: None,
                usage: Use::Busy(Some(Holder { pid: 4711, name: Some("arecord".to_owned()) })),
            },
            CaptureDevice {
                id: id("pulse"),
                model: None,
                pcm: "pulse".to_owned(),
                description: "PulseAudio Sound Server".to_owned(),
                kind: Kind::Named,
                offers: None,
                usage: Use::Unknown,
            },
        ]
    }

    fn webcam() -> Camera {
        let size = |size: &str, rates: &[f64]| FrameSize { size: size.to_owned(), rates: rates.to_vec() };
        let format = |fourcc: &str, sizes: Vec<FrameSize>| Format {
            fourcc: fourcc.to_owned(),
            description: String::new(),
            sizes,
        };
        Camera {
            id: "usb:1-1.3".parse().expect("a camera"),
            model: None,
            node: "/dev/video0".to_owned(),
            card: "HD Pro Webcam\tC920".to_owned(),
            driver: "uvcvideo".to_owned(),
            usage: Use::Free,
            formats: vec![
                format("YUYV", vec![size("640x480", &[30.0, 15.0]), size("2304x1536", &[2.0])]),
                format("MJPG", vec![size("640x480", &[30.0]), size("1920x1080", &[30.0, 24.0, 15.0])]),
                format("H264", vec![size("32x32 to 1920x1080", &[])]),
            ],
            controls: Vec::new(),
        }
    }

    fn devices(sound: Vec<CaptureDevice>, cameras: Vec<Camera>) -> Devices {
        Devices { sound, cameras }
    }

    #[test]
    fn the_tables_as_people_see_them() {
        let text = table(&devices(three(), vec![webcam()]));
        assert_eq!(
            text,
            "\
DEVICE                  CHANNELS  RATES        FORMATS  STATE                 DESCRIPTION
usb:1-1.2               1-2       44100-48000  S16_LE   free                  USB Audio Device
hw:CARD=Loopback,DEV=1  ?         ?            ?        busy: arecord (4711)  Loopback PCM
pulse                   ?         ?            ?        -                     PulseAudio Sound Server

CAMERA     NODE         PICTURES                                 STATE  DESCRIPTION
usb:1-1.3  /dev/video0  MJPG 1920x1080@30, YUYV 2304x1536@2, +1  free   HD Pro Webcam C920

The first column is what to write as `device` in the configuration.
`outpost devices --json` tells every size and rate of the cameras, and their controls.
"
        );
        let cameras = cameras(&[webcam()]);
        assert!(cameras.lines().all(|line| line.chars().count() <= 100), "{cameras}");
    }

    #[test]
    fn without_a_device_it_says_what_to_check() {
        assert_eq!(table(&devices(Vec::new(), Vec::new())), format!("{NONE}\n{NO_CAMERA}"));
        let named = table(&devices(three().split_off(2), Vec::new()));
        assert!(named.starts_with(NONE) && named.contains("\npulse "), "{named}");
        assert_eq!(best(&webcam().formats[2]), "H264 1920x1080");
    }

    #[test]
    fn json_gives_every_field() {
        let text = json(&devices(three(), vec![webcam()]));
        let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        let sound = &value["sound"];
        assert_eq!(sound[0]["id"], "usb:1-1.2");
        assert_eq!(sound[0]["model"], "usb:0d8c:0014");
        assert_eq!(sound[0]["offers"]["channels"], serde_json::json!({ "start": 1, "end": 2 }));
        assert_eq!(sound[0]["use"], "free");
        assert_eq!(sound[1]["use"]["busy"]["name"], "arecord");
        let camera = &value["cameras"][0];
        assert_eq!((&camera["id"], &camera["use"]), (&"usb:1-1.3".into(), &"free".into()));
        assert_eq!(camera["formats"][1]["sizes"][1]["rates"][2], 15.0);
        assert_eq!(json(&devices(Vec::new(), Vec::new())), "{\n  \"sound\": [],\n  \"cameras\": []\n}\n");
    }
}
