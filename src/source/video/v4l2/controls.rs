//! A camera's controls by name: brightness, focus, white balance.
//!
//! Belongs here: what a name and a value of the configuration mean for a camera. Does not: which controls
//! are good to have.

use std::collections::BTreeMap;
use std::fmt;

use super::trouble::Trouble;
use crate::source::Signal;
use crate::sys::v4l2::{Control, ControlKind, Node};

/// What to set, by the names `v4l2-ctl --list-ctrls` and `outpost devices` write.
pub type Controls = BTreeMap<String, ControlValue>;

/// What to set a control to.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(untagged)]
pub enum ControlValue {
    /// On or off.
    Switch(bool),
    /// A number; of a menu, the number of an item.
    Number(i64),
    /// The words of a menu's item.
    Item(String),
}

impl fmt::Display for ControlValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Switch(on) => write!(f, "{on}"),
            Self::Number(number) => write!(f, "{number}"),
            Self::Item(words) => write!(f, "{words:?}"),
        }
    }
}

/// A driver's name for a control as it is written in the configuration, and by v4l2-ctl (its `name2var`):
/// letters and digits in lower case, anything between them one underscore.
pub(super) fn written(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    let words = name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    for word in words {
        if !text.is_empty() {
            text.push('_');
        }
        text.push_str(&word.to_ascii_lowercase());
    }
    text
}

/// What a control takes, in a few words.
pub(super) fn range(control: &Control) -> String {
    match &control.kind {
        ControlKind::Integer => format!("{} to {}", control.minimum, control.maximum),
        ControlKind::Boolean => "true or false".to_owned(),
        ControlKind::Menu(items) => {
            items.iter().map(|(_, words)| format!("{words:?}")).collect::<Vec<_>>().join(", ")
        }
        ControlKind::Other => "nothing that can be written here".to_owned(),
    }
}

/// Sets what is wanted. What the camera lacks is refused; what it has and does not let be set at the moment
/// is only logged: a picture in the wrong light is better than none.
pub(super) fn apply(node: &Node, wanted: &Controls, device: &str) -> Result<(), Trouble> {
    if wanted.is_empty() {
        return Ok(());
    }
    for Setting { id, value, name } in settle(&node.controls(), wanted).map_err(refused)? {
        if let Err(error) = node.set_control(id, value) {
            tracing::warn!(device, "the control {name} cannot be set to {value} now: {error}");
        }
    }
    Ok(())
}

/// Sets a control by its number to the nearest it takes, if there is one.
pub(super) fn wish(node: &Node, controls: &[Control], id: u32, value: u32, device: &str) {
    let Some(control) = controls.iter().find(|control| control.id == id) else { return };
    let value = i64::from(value).clamp(control.minimum, control.maximum.max(control.minimum));
    let set = i32::try_from(value).map(|value| node.set_control(id, value));
    tracing::debug!(device, "{} set to {value}: {set:?}", written(&control.name));
}

/// One number for one control.
#[derive(Debug, PartialEq, Eq)]
struct Setting {
    id: u32,
    value: i32,
    name: String,
}

/// What to set, in order: switches and menus first, because they decide whether a number counts (automatic
/// exposure before exposure).
fn settle(controls: &[Control], wanted: &Controls) -> Result<Vec<Setting>, String> {
    let mut settings = Vec::new();
    for (name, value) in wanted {
        let Some(control) = controls.iter().find(|control| written(&control.name) == *name) else {
            return Err(format!("it has no control {name:?}; it has {}", all(controls)));
        };
        let number =
            number(control, value).and_then(|number| i32::try_from(number).ok()).ok_or_else(|| {
                format!("its control {name} does not take {value}; it takes {}", range(control))
            })?;
        let late = matches!(control.kind, ControlKind::Integer);
        settings.push((late, Setting { id: control.id, value: number, name: name.clone() }));
    }
    settings.sort_by_key(|(late, _)| *late);
    Ok(settings.into_iter().map(|(_, setting)| setting).collect())
}

fn number(control: &Control, value: &ControlValue) -> Option<i64> {
    match (&control.kind, value) {
        (ControlKind::Integer, ControlValue::Number(number)) => {
            (control.minimum..=control.maximum).contains(number).then_some(*number)
        }
        (ControlKind::Boolean, ControlValue::Switch(on)) => Some(i64::from(*on)),
        (ControlKind::Boolean, ControlValue::Number(number)) => (0..=1).contains(number).then_some(*number),
        (ControlKind::Menu(items), ControlValue::Number(number)) => {
            items.iter().find(|(index, _)| index == number).map(|(index, _)| *index)
        }
        (ControlKind::Menu(items), ControlValue::Item(words)) => {
            items.iter().find(|(_, known)| known.eq_ignore_ascii_case(words.trim())).map(|(index, _)| *index)
        }
        _ => None,
    }
}

fn all(controls: &[Control]) -> String {
    let usable = controls.iter().filter(|control| control.kind != ControlKind::Other);
    let each: Vec<_> =
        usable.map(|control| format!("{} ({})", written(&control.name), range(control))).collect();
    if each.is_empty() { "none".to_owned() } else { each.join(", ") }
}

fn refused(problem: String) -> Trouble {
    Trouble::new(Signal::Failed, problem, "correct `controls`")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn camera() -> Vec<Control> {
        let control = |id, name: &str, kind, minimum, maximum| Control {
            id,
            name: name.to_owned(),
            kind,
            minimum,
            maximum,
            step: 1,
            default: minimum,
        };
        let items = |items: &[(i64, &str)]| {
            ControlKind::Menu(items.iter().map(|(index, words)| (*index, (*words).to_owned())).collect())
        };
        let mains = items(&[(0, "Disabled"), (1, "50 Hz"), (2, "60 Hz")]);
        vec![
            control(1, "Brightness", ControlKind::Integer, -64, 64),
            control(2, "White Balance, Automatic", ControlKind::Boolean, 0, 1),
            control(3, "Power Line Frequency", mains, 0, 2),
            control(4, "Auto Exposure", items(&[(1, "Manual Mode"), (3, "Aperture Priority Mode")]), 0, 3),
            control(5, "Exposure Time, Absolute", ControlKind::Integer, 1, 10_000),
            control(6, "Region", ControlKind::Other, 0, 0),
        ]
    }

    #[test]
    fn names_are_written_as_v4l2_ctl_writes_them() {
        let table = [
            ("Brightness", "brightness"),
            ("White Balance, Automatic", "white_balance_automatic"),
            ("Exposure (Absolute)", "exposure_absolute"),
            ("  H264 I-Frame Period ", "h264_i_frame_period"),
            ("U/V", "u_v"),
            ("Größe", "gr_e"),
            ("--", ""),
        ];
        for (name, expected) in table {
            assert_eq!(written(name), expected);
        }
    }

    #[test]
    fn switches_go_before_numbers_that_depend_on_them() {
        let wanted: Controls = toml::from_str(
            "exposure_time_absolute = 250\npower_line_frequency = \"50 hz\"\nauto_exposure = 1\n\
             brightness = -10\nwhite_balance_automatic = false",
        )
        .expect("controls");
        let settings = settle(&camera(), &wanted).expect("it has them all");
        let order: Vec<_> = settings.iter().map(|setting| (setting.id, setting.value)).collect();
        assert_eq!(order, [(4, 1), (3, 1), (2, 0), (1, -10), (5, 250)]);
    }

    #[test]
    fn what_it_does_not_take_is_refused_with_what_it_takes() {
        let table = [
            (
                "zoom = 1",
                "no control \"zoom\"; it has brightness (-64 to 64), white_balance_automatic (true or",
            ),
            ("zoom = 1", "power_line_frequency (\"Disabled\", \"50 Hz\", \"60 Hz\")"),
            ("brightness = 65", "brightness does not take 65; it takes -64 to 64"),
            ("brightness = \"high\"", "does not take \"high\""),
            ("brightness = true", "does not take true"),
            ("white_balance_automatic = 2", "it takes true or false"),
            ("power_line_frequency = \"55 Hz\"", "does not take \"55 Hz\"; it takes \"Disabled\", \"50 Hz\""),
            // A gap in a menu.
            ("auto_exposure = 2", "it takes \"Manual Mode\", \"Aperture Priority Mode\""),
            ("region = 1", "nothing that can be written here"),
            ("brightness = 99999999999", "it takes -64 to 64"),
        ];
        for (text, expected) in table {
            let wanted: Controls = toml::from_str(text).expect("a control");
            let problem = settle(&camera(), &wanted).expect_err(text);
            assert!(problem.contains(expected), "{text}: {problem}");
        }
        let problem = settle(&[], &toml::from_str("a = 1").expect("one")).expect_err("it has none");
        assert_eq!(problem, "it has no control \"a\"; it has none");
    }
}
