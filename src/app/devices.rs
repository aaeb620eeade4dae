//! `outpost devices`: what can be captured from, for people and for programs.

use std::fmt::Write as _;

use serde::Serialize;

/// One capture device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeviceRow {
    /// What to put into the configuration as `device`: a stable id where there is one, else the name.
    pub device: String,
    /// ALSA's name of it.
    pub name: String,
    /// The card's own words.
    pub description: String,
    /// How many channels it can have; nothing if it could not be asked.
    pub channels: Option<Bounds>,
    /// Sampling rates in Hz; empty if it could not be asked.
    pub rates: Vec<u32>,
    /// Sample formats by their ALSA names; empty if it could not be asked.
    pub formats: Vec<String>,
    /// Who is using it, if somebody is.
    pub busy: Option<String>,
}

/// The least and the most of something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Bounds {
    /// At least.
    pub min: u32,
    /// At most.
    pub max: u32,
}

const HEADS: [&str; 7] = ["DEVICE", "NAME", "CHANNELS", "RATES", "FORMATS", "STATE", "DESCRIPTION"];

const NONE: &str = "\
No capture device found. What to check:

  Is the card plugged in?              cat /proc/asound/cards lists what the kernel sees
  May you use it?                      sudo usermod -aG audio $USER, then log in again
  In a container or virtual machine?   it must be given the card (docker run --device /dev/snd)

`outpost demo` plays without a sound card.
";

/// The devices as a table, or what to check if there is none.
pub fn table(devices: &[DeviceRow]) -> String {
    if devices.is_empty() {
        return NONE.to_owned();
    }
    let rows: Vec<[String; 7]> =
        std::iter::once(HEADS.map(str::to_owned)).chain(devices.iter().map(cells)).collect();
    let widths: [usize; 7] =
        std::array::from_fn(|n| rows.iter().map(|row| row[n].chars().count()).max().unwrap_or(0));
    let mut text = String::new();
    for row in rows {
        let line: String = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}  ")).collect();
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text + "\nThe first column is what to write as `device` in the configuration.\n"
}

/// The devices as a JSON array.
pub fn json(devices: &[DeviceRow]) -> String {
    serde_json::to_string_pretty(devices).expect("strings and numbers are always JSON") + "\n"
}

fn cells(row: &DeviceRow) -> [String; 7] {
    let or_unknown = |text: String| if text.is_empty() { "?".to_owned() } else { text };
    let channels = row.channels.map_or(String::new(), |Bounds { min, max }| match min == max {
        true => min.to_string(),
        false => format!("{min}-{max}"),
    });
    let rates = match row.rates[..] {
        [] | [_] | [_, _] | [_, _, _] => row.rates.iter().map(u32::to_string).collect::<Vec<_>>().join(","),
        [first, .., last] => format!("{first}-{last}"),
    };
    let state = row.busy.as_ref().map_or_else(|| "free".to_owned(), |by| format!("busy: {by}"));
    let text = |text: &str| text.replace(char::is_control, " ");
    [
        text(&row.device),
        text(&row.name),
        or_unknown(channels),
        or_unknown(rates),
        or_unknown(row.formats.join(",")),
        text(&state),
        text(&row.description),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two() -> Vec<DeviceRow> {
        let usb = DeviceRow {
            device: "usb:1-1.2".to_owned(),
            name: "hw:CARD=Device,DEV=0".to_owned(),
            description: "USB Audio Device".to_owned(),
            channels: Some(Bounds { min: 1, max: 2 }),
            rates: vec![44_100, 48_000],
            formats: vec!["S16_LE".to_owned()],
            busy: None,
        };
        let busy = DeviceRow {
            device: "card:Loopback".to_owned(),
            name: "hw:CARD=Loopback,DEV=1".to_owned(),
            description: "Loopback\nPCM".to_owned(),
            channels: None,
            rates: vec![],
            formats: vec![],
            busy: Some("arecord (pid 4711)".to_owned()),
        };
        vec![usb, busy]
    }

    #[test]
    fn the_table_as_people_see_it() {
        assert_eq!(
            table(&two()),
            "\
DEVICE         NAME                    CHANNELS  RATES        FORMATS  STATE                     DESCRIPTION
usb:1-1.2      hw:CARD=Device,DEV=0    1-2       44100,48000  S16_LE   free                      USB Audio Device
card:Loopback  hw:CARD=Loopback,DEV=1  ?         ?            ?        busy: arecord (pid 4711)  Loopback PCM

The first column is what to write as `device` in the configuration.
"
        );
        assert_eq!(table(&[]), NONE);
    }

    #[test]
    fn json_gives_every_field() {
        let value: serde_json::Value = serde_json::from_str(&json(&two())).expect("JSON");
        assert_eq!(value[0]["device"], "usb:1-1.2");
        assert_eq!(value[0]["channels"], serde_json::json!({ "min": 1, "max": 2 }));
        assert_eq!(value[0]["busy"], serde_json::Value::Null);
        assert_eq!(value[1]["busy"], "arecord (pid 4711)");
        assert_eq!(json(&[]), "[]\n");
    }
}
