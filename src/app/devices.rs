//! `outpost devices`: what can be captured from, for people and for programs.

use std::fmt::Write as _;

use crate::source::alsa::{CaptureDevice, Kind, Offers};

const HEADS: [&str; 6] = ["DEVICE", "CHANNELS", "RATES", "FORMATS", "STATE", "DESCRIPTION"];

const NONE: &str = "\
No sound card found. What to check:

  Is the card plugged in?              cat /proc/asound/cards lists what the kernel sees
  May you use it?                      sudo usermod -aG audio $USER, then log in again
  In a container or virtual machine?   it must be given the card (docker run --device /dev/snd)

`outpost demo` plays without a sound card.
";

/// The devices as a table, or what to check if there is no sound card among them.
pub fn table(devices: &[CaptureDevice]) -> String {
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
    let rows: Vec<_> = std::iter::once(HEADS.map(str::to_owned)).chain(devices.iter().map(cells)).collect();
    let widths: [usize; HEADS.len()] =
        std::array::from_fn(|n| rows.iter().map(|row| row[n].chars().count()).max().unwrap_or(0));
    for row in rows {
        let line: String = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}  ")).collect();
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text + "\nThe first column is what to write as `device` in the configuration.\n"
}

/// The devices as a JSON array.
pub fn json(devices: &[CaptureDevice]) -> String {
    serde_json::to_string_pretty(devices).expect("strings and numbers are always JSON") + "\n"
}

fn cells(device: &CaptureDevice) -> [String; HEADS.len()] {
    let range = |low: &u32, high: &u32| if low == high { low.to_string() } else { format!("{low}-{high}") };
    let [channels, rates, formats] = match &device.offers {
        Some(Offers { channels, rates, formats }) => {
            [range(channels.start(), channels.end()), range(rates.start(), rates.end()), formats.join(",")]
        }
        None => ["?"; 3].map(str::to_owned),
    };
    [device.id.to_string(), channels, rates, formats, device.usage.to_string(), device.description.clone()]
        .map(|cell| cell.replace(char::is_control, " "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::alsa::{Holder, Use};

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

    #[test]
    fn the_table_as_people_see_it() {
        assert_eq!(
            table(&three()),
            "\
DEVICE                  CHANNELS  RATES        FORMATS  STATE                 DESCRIPTION
usb:1-1.2               1-2       44100-48000  S16_LE   free                  USB Audio Device
hw:CARD=Loopback,DEV=1  ?         ?            ?        busy: arecord (4711)  Loopback PCM
pulse                   ?         ?            ?        -                     PulseAudio Sound Server

The first column is what to write as `device` in the configuration.
"
        );
    }

    #[test]
    fn without_a_card_it_says_what_to_check() {
        assert_eq!(table(&[]), NONE);
        let named = table(&three()[2..]);
        assert!(named.starts_with(NONE) && named.contains("\npulse "), "{named}");
    }

    #[test]
    fn json_gives_every_field() {
        let value: serde_json::Value = serde_json::from_str(&json(&three())).expect("JSON");
        assert_eq!(value[0]["id"], "usb:1-1.2");
        assert_eq!(value[0]["model"], "usb:0d8c:0014");
        assert_eq!(value[0]["offers"]["channels"], serde_json::json!({ "start": 1, "end": 2 }));
        assert_eq!(value[0]["use"], "free");
        assert_eq!(value[1]["use"]["busy"]["name"], "arecord");
        assert_eq!(json(&[]), "[]\n");
    }
}
