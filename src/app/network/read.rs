//! From TOML to a [`Network`]: each entry for itself, so that one that is wrong takes no other with it.

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::super::config::fault::Wrong;
use super::super::config::keys;
use super::ssh::SshKey;
use super::values::{Address, BoxName, Country, Password, Ssid, Subnet};

/// What there can be several of.
const LISTS: [&str; 2] = ["ssh_key", "wifi"];

/// What the file says, checked. Without anything in it: a network by cable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Network {
    pub(super) name: BoxName,
    /// Of those who may log in.
    pub(super) keys: Vec<SshKey>,
    pub(super) country: Option<Country>,
    /// The first is liked best.
    pub(super) wifi: Vec<WifiNetwork>,
    /// None: what the network gives.
    pub(super) fixed: Option<Fixed>,
}

/// A Wi-Fi network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct WifiNetwork {
    pub(super) name: Ssid,
    /// Without one it is open.
    pub(super) password: Option<Password>,
    pub(super) visibility: Visibility,
}

/// Whether a Wi-Fi network says its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Visibility {
    Announced,
    Hidden,
}

/// An address by cable that does not come from the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fixed {
    pub(super) address: Subnet,
    pub(super) gateway: Option<Address>,
    /// Who knows names.
    pub(super) dns: Vec<Address>,
}

/// One entry, as it is written: of these one is there.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    hostname: Option<BoxName>,
    ssh_key: Option<SshKey>,
    country: Option<Country>,
    wifi: Option<Wifi>,
    wired: Option<Wired>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wifi {
    name: Option<Ssid>,
    password: Option<Password>,
    #[serde(default)]
    hidden: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wired {
    address: Option<Subnet>,
    gateway: Option<Address>,
    dns: Option<Vec<Address>>,
}

/// Every key there is, as a path through the tables.
pub(super) fn all_keys() -> Vec<String> {
    let tables = [("", keys::of::<Entry>()), ("wifi.", keys::of::<Wifi>()), ("wired.", keys::of::<Wired>())];
    tables.iter().flat_map(|(path, keys)| keys.iter().map(move |key| format!("{path}{key}"))).collect()
}

/// What can be taken of `text`, and what cannot, a line each, as it is in the file `file`.
pub(super) fn read(text: &str, file: &str) -> (Network, Vec<String>) {
    let (mut wrongs, mut network) = (Vec::new(), Network::default());
    let parts = if DeTable::parse(text).is_ok() { vec![text.to_owned()] } else { sections(text) };
    for part in &parts {
        let (root, broken) = DeTable::parse_recoverable(part);
        wrongs.extend(broken.iter().map(Wrong::syntax));
        // A network that has lost its password in reading would be another, an open one.
        if !broken.is_empty() && part.trim_start().starts_with('[') {
            continue;
        }
        for entry in entries(&root) {
            let Err(wrong) = network.take(&entry) else { continue };
            wrongs.push(wrong);
            wrongs.extend(known(&entry).and_then(|known| network.take(&known).err()));
        }
    }
    if !network.wifi.is_empty() && network.country.is_none() {
        let what = "missing; Wi-Fi keeps to what is allowed everywhere, and may not find every network; write the two \
                    letters of the country the box is in, at the top of the file: country = \"DE\"";
        wrongs.push(Wrong::at("country", what.to_owned(), &Spanned::new(0..0, DeTable::new())));
    }
    wrongs.sort_by_key(Wrong::begins);
    let mut problems: Vec<String> = wrongs.into_iter().map(|wrong| first_line(wrong, file, text)).collect();
    problems.dedup();
    (network, problems)
}

/// The line behind it would show what is written there, which may be a password.
fn first_line(wrong: Wrong, file: &str, text: &str) -> String {
    let told = wrong.in_file(file, text).to_string();
    told.lines().next().unwrap_or_default().replace(char::is_control, " ")
}

/// The entries of a file, each in a table of its own; those of lists one by one.
fn entries<'i>(root: &Spanned<DeTable<'i>>) -> Vec<Spanned<DeTable<'i>>> {
    let mut entries = Vec::new();
    for (key, value) in root.get_ref() {
        let mut add = |value: &Spanned<DeValue<'i>>| {
            let alone = DeTable::from_iter([(key.clone(), value.clone())]);
            entries.push(Spanned::new(value.span(), alone));
        };
        match value.get_ref() {
            DeValue::Array(several) if LISTS.contains(&&**key.get_ref()) => several.iter().for_each(add),
            _ => add(value),
        }
    }
    entries
}

/// The text up to the first table, and each table, with blanks in place of what stands before: where something breaks off,
/// the parser would lose what follows.
fn sections(text: &str) -> Vec<String> {
    let mut sections = vec![String::new()];
    let mut before = String::new();
    for line in text.split_inclusive('\n') {
        if line.trim_start().starts_with('[') {
            sections.push(before.clone());
        }
        sections.iter_mut().last().into_iter().for_each(|section| section.push_str(line));
        before
            .extend(line.chars().map(|c| if c == '\n' { "\n".to_owned() } else { " ".repeat(c.len_utf8()) }));
    }
    sections
}

/// A Wi-Fi network without keys that it cannot have, if there are some: what has a password cannot have it misspelt.
fn known<'i>(entry: &Spanned<DeTable<'i>>) -> Option<Spanned<DeTable<'i>>> {
    let mut known = entry.clone();
    let DeValue::Table(wifi) = known.get_mut().get_mut("wifi")?.get_mut() else { return None };
    let names = keys::of::<Wifi>();
    let unknown: Vec<_> = wifi.keys().filter(|key| !names.contains(&&**key.get_ref())).cloned().collect();
    for key in &unknown {
        wifi.remove(key.get_ref().as_ref());
    }
    (wifi.contains_key("password") && !unknown.is_empty()).then_some(known)
}

impl Network {
    fn take(&mut self, entry: &Spanned<DeTable<'_>>) -> Result<(), Wrong> {
        let read = Entry::deserialize(toml::Deserializer::from(entry.clone()))
            .map_err(|error| Wrong::value(&error, &all_keys()))?;
        let wrong = |key: &str, what: &str| Wrong::at(key, what.to_owned(), entry);
        let Entry { hostname, ssh_key, country, wifi, wired } = read;
        self.name = hostname.unwrap_or_else(|| self.name.clone());
        self.keys.extend(ssh_key);
        self.country = country.or(self.country.take());
        if let Some(Wifi { name, password, hidden }) = wifi {
            let name = name.ok_or_else(|| {
                wrong("wifi.name", "missing; write what the network is called, just as phones show it")
            })?;
            let visibility = if hidden { Visibility::Hidden } else { Visibility::Announced };
            self.wifi.push(WifiNetwork { name, password, visibility });
        }
        if let Some(Wired { address, gateway, dns }) = wired {
            let address = address.ok_or_else(|| {
                wrong(
                    "wired.address",
                    "missing; write the box's own, as \"192.168.1.20/24\", or leave [wired] out to be given one",
                )
            })?;
            if gateway.is_some_and(|gateway| !address.reaches(gateway)) {
                let what =
                    "it is not in the network of `address`, or is the box itself; correct one of the two";
                return Err(wrong("wired.gateway", what));
            }
            // A router at home knows names, too.
            let dns = dns.unwrap_or_else(|| gateway.into_iter().collect());
            self.fixed = Some(Fixed { address, gateway, dns });
        }
        Ok(())
    }
}
