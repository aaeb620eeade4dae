//! One multivariant playlist, as text.

use std::collections::BTreeSet;

use super::media::unless;
use super::{Rule, rules};
use crate::text::{Multivariant, Variant};

pub(crate) const RULES: &[Rule<Multivariant>] = rules![
    "RFC 4.1, 4.2": master_is_well_formed,
    "issue: read by others too": m3u8_rs_reads_the_master,
    "RFC 6.2.4": variants_are_there,
    "A 9.1, bis 6.2.4": codecs_are_told,
    "A 9.2": pictures_have_a_size,
    "A 9.15": pictures_have_a_rate,
    "A 9.14": average_is_told,
    "A 9.11": master_says_independent,
    "RFC 4.3.4.2": groups_exist,
    "RFC 4.3.4.1.1": groups_are_consistent,
    "RFC 4.3.4.2": no_variant_stands_twice,
];

fn each(multivariant: &Multivariant, bad: impl Fn(&Variant) -> bool, what: &str) -> Vec<String> {
    let broken = multivariant.variants.iter().filter(|variant| bad(variant));
    broken.map(|variant| format!("line {}: {what}", variant.line)).collect()
}

fn master_is_well_formed(multivariant: &Multivariant) -> Vec<String> {
    multivariant.faults.clone()
}

fn m3u8_rs_reads_the_master(multivariant: &Multivariant) -> Vec<String> {
    match m3u8_rs::parse_master_playlist_res(multivariant.text.as_bytes()) {
        Ok(found) => {
            let theirs: Vec<_> = found.variants.iter().map(|variant| &variant.uri).collect();
            let ours: Vec<_> = multivariant.variants.iter().map(|variant| &variant.uri).collect();
            unless(theirs == ours, || format!("m3u8-rs sees {theirs:?}, not {ours:?}"))
        }
        Err(error) => vec![format!("m3u8-rs: {error}")],
    }
}

fn variants_are_there(multivariant: &Multivariant) -> Vec<String> {
    unless(!multivariant.variants.is_empty(), || "no variant".to_owned())
}

fn codecs_are_told(multivariant: &Multivariant) -> Vec<String> {
    each(multivariant, |variant| variant.codecs().next().is_none(), "no CODECS")
}

fn pictures_have_a_size(multivariant: &Multivariant) -> Vec<String> {
    let wrong = |it: &Variant| it.has_pictures() != it.list.get("RESOLUTION").is_some();
    each(multivariant, wrong, "RESOLUTION and CODECS differ about pictures")
}

fn pictures_have_a_rate(multivariant: &Multivariant) -> Vec<String> {
    let wrong = |it: &Variant| it.has_pictures() != it.list.get("FRAME-RATE").is_some();
    each(multivariant, wrong, "FRAME-RATE and CODECS differ about pictures")
}

fn average_is_told(multivariant: &Multivariant) -> Vec<String> {
    let wrong = |it: &Variant| {
        let rate = |name| it.list.number::<u64>(name).unwrap_or(0);
        rate("AVERAGE-BANDWIDTH") == 0 || rate("AVERAGE-BANDWIDTH") > rate("BANDWIDTH")
    };
    each(multivariant, wrong, "no AVERAGE-BANDWIDTH, or one above BANDWIDTH")
}

fn master_says_independent(multivariant: &Multivariant) -> Vec<String> {
    unless(multivariant.independent, || "no EXT-X-INDEPENDENT-SEGMENTS".to_owned())
}

fn groups_exist(multivariant: &Multivariant) -> Vec<String> {
    let known = |kind: &str, group: &str| {
        let is = |name, value| move |list: &crate::text::Attributes| list.get(name) == Some(value);
        multivariant.renditions.iter().any(|it| is("TYPE", kind)(&it.list) && is("GROUP-ID", group)(&it.list))
    };
    each(
        multivariant,
        |it| {
            ["AUDIO", "VIDEO", "SUBTITLES"]
                .iter()
                .any(|kind| it.list.get(kind).is_some_and(|group| !known(kind, group)))
        },
        "a group that is not there",
    )
}

fn groups_are_consistent(multivariant: &Multivariant) -> Vec<String> {
    let mut names = BTreeSet::new();
    let mut defaults = BTreeSet::new();
    let mut found = Vec::new();
    for rendition in &multivariant.renditions {
        let list = &rendition.list;
        let group = (list.get("TYPE"), list.get("GROUP-ID"));
        let named_twice = !names.insert((group, list.get("NAME")));
        let default = list.says_yes("DEFAULT");
        let two_defaults = default && !defaults.insert(group);
        let hidden = default && list.get("AUTOSELECT") == Some("NO");
        let wrong = named_twice || two_defaults || hidden;
        found.extend(unless(!wrong, || format!("line {}: against another of its group", rendition.line)));
    }
    found
}

fn no_variant_stands_twice(multivariant: &Multivariant) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let again = multivariant.variants.iter().filter(|it| !seen.insert((&it.uri, it.list.get("AUDIO"))));
    again.map(|variant| format!("line {}: {} stands a second time", variant.line, variant.uri)).collect()
}
