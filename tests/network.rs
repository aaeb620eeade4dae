//! `outpost network`: whatever somebody wrote on the card, there are files that make a network of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use outpost::app::network;
use proptest::prelude::*;

const DOCS: &str = include_str!("../docs/network.md");
const WIRED: &str = "systemd/network/10-wired.network";
const WIFI: &str = "systemd/network/20-wifi.network";
const SUPPLICANT: &str = "wpa_supplicant/wpa_supplicant-wlan0.conf";
const NAME: &str = "outpost-network/hostname";
const KEYS: &str = "outpost-network/authorized_keys";
const PROBLEMS: &str = "outpost-network.problem";
/// By cable, with an address that the network gives.
const DHCP: &str = "\
# Made of network.toml at each start.
[Match]
Type=ether
Kind=!*

[Link]
RequiredForOnline=no

[Network]
MulticastDNS=yes
DHCP=yes
LinkLocalAddressing=yes

[DHCPv4]
# The same address after a card was written anew.
ClientIdentifier=mac
";

/// A card and a root of this test's own, gone afterwards.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("outpost-network-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }

    /// What follows from a file that says this: what is told, and the files below `/run`.
    fn set_up(&self, file: impl AsRef<[u8]>) -> (Vec<String>, BTreeMap<String, String>) {
        let path = self.0.join("network.toml");
        fs::write(&path, file).expect("room");
        let told = network::set_up(&path, &self.0);
        let mut found = BTreeMap::new();
        gather(&self.0.join("run"), "", &mut found);
        let left = found.remove(PROBLEMS).unwrap_or_default();
        assert_eq!(left.lines().collect::<Vec<_>>(), told, "the page is told the same");
        (told, found)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn gather(folder: &Path, above: &str, found: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let entry = entry.expect("an entry");
        let name = format!("{above}{}", entry.file_name().to_str().expect("UTF-8"));
        match entry.path() {
            path if path.is_dir() => gather(&path, &format!("{name}/"), found),
            path => drop(found.insert(name, fs::read_to_string(path).expect("text"))),
        }
    }
}

/// The first block of the documentation.
fn example() -> &'static str {
    DOCS.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a block")
}

#[test]
fn the_documented_file_becomes_these() {
    let place = Place::new("example");
    let (told, found) = place.set_up(example());
    assert_eq!(told, [""; 0]);
    let key = example().lines().nth(1).and_then(|line| line.split('"').nth(1)).expect("a key");
    let expected = [
        (NAME, "attic\n".to_owned()),
        (KEYS, format!("{key}\n")),
        (
            WIRED,
            "# Made of network.toml at each start.\n[Match]\nType=ether\nKind=!*\n\n[Link]\nRequiredForOnline=no\n\n\
             [Network]\nMulticastDNS=yes\nAddress=192.168.1.20/24\nGateway=192.168.1.1\nDNS=192.168.1.1\n"
                .to_owned(),
        ),
        (
            WIFI,
            "# Made of network.toml at each start.\n[Match]\nType=wlan\n\n[Link]\nRequiredForOnline=no\n\n[Network]\n\
             MulticastDNS=yes\nDHCP=yes\nLinkLocalAddressing=yes\n# From one access point to another it keeps its \
             address.\nIgnoreCarrierLoss=3s\n\n[DHCPv4]\nClientIdentifier=mac\n# A cable goes before it.\n\
             RouteMetric=2048\n\n[IPv6AcceptRA]\nRouteMetric=2048\n"
                .to_owned(),
        ),
        (
            SUPPLICANT,
            "# Made of network.toml at each start.\nctrl_interface=/run/wpa_supplicant\ncountry=DE\nnetwork={\n\
             \tssid=486f6d65\n\tpriority=1\n\tpsk=\"correct horse battery staple\"\n\tkey_mgmt=WPA-PSK WPA-PSK-SHA256 \
             SAE\n\tieee80211w=1\n}\nnetwork={\n\tssid=576f726b73686f70\n\tpriority=0\n\tscan_ssid=1\n\tpsk=\"blue steel \
             #1\"\n\tkey_mgmt=WPA-PSK WPA-PSK-SHA256 SAE\n\tieee80211w=1\n}\n"
                .to_owned(),
        ),
    ];
    assert_eq!(found, expected.map(|(path, text)| (path.to_owned(), text)).into());
    let mode = |path: &str| {
        let file = fs::metadata(place.0.join("run").join(path)).expect("it is there");
        file.permissions().mode() & 0o777
    };
    assert_eq!([WIRED, WIFI, NAME, KEYS].map(mode), [0o644; 4]);
    assert_eq!(mode(SUPPLICANT), 0o600);

    // Another start, another file: nothing is left of the first.
    let (told, found) = place.set_up("");
    assert_eq!(told, [""; 0]);
    let expected = [(NAME, "outpost\n"), (KEYS, ""), (WIRED, DHCP)];
    assert_eq!(found, expected.map(|(path, text)| (path.to_owned(), text.to_owned())).into());
}

#[test]
fn what_windows_saves_is_the_same() {
    let place = Place::new("windows");
    let usual = place.set_up(example());
    let text = example().replace('\n', "\r\n");
    let wide = |order: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(order).collect::<Vec<u8>>();
    for bytes in [
        text.clone().into_bytes(),
        [b"\xEF\xBB\xBF", text.as_bytes()].concat(),
        [b"\xFF\xFE", &wide(u16::to_le_bytes)[..]].concat(),
        [b"\xFE\xFF", &wide(u16::to_be_bytes)[..]].concat(),
    ] {
        assert_eq!(place.set_up(bytes), usual);
    }
}

/// What a file says, what is told of it, and what is there all the same.
#[test]
fn what_can_be_taken_is_and_the_rest_is_told() {
    const HOME: &str = "[[wifi]]\nname = \"Home\"\npassword = \"12345678\"\n";
    let home = ("ssid=486f6d65", SUPPLICANT);
    let dhcp = ("DHCP=yes", WIRED);
    let attic = ("attic", NAME);
    /// What is wrong, the file, what is said, and what is written all the same.
    type Case<'a> = (&'a str, String, &'a [&'a str], &'a [(&'a str, &'a str)]);
    let table: &[Case] = &[
        (
            "a key misspelt",
            "hostnam = \"attic\"\ncountry = \"de\"\n".to_owned() + HOME,
            &["network.toml:1: hostnam: unknown key; did you mean `hostname`?"],
            &[home, ("country=DE", SUPPLICANT), ("outpost", NAME)],
        ),
        (
            "below the table it should stand above",
            format!("{HOME}country = \"DE\""),
            &[
                "network.toml: country: missing; Wi-Fi keeps to what is allowed everywhere, and may not find every \
                 network; write the two letters of the country the box is in, at the top of the file: country = \"DE\"",
                "network.toml:4: wifi.country: unknown key; did you mean `country`, at the top of the file, before the \
                 first line in brackets?",
            ],
            &[home],
        ),
        (
            "a password misspelt: not an open network",
            format!(
                "country = \"DE\"\n{}{HOME}",
                HOME.replace("password", "pasword").replace("Home", "Yard")
            ),
            &["network.toml:4: wifi.pasword: unknown key; did you mean `password`?"],
            &[home],
        ),
        (
            "a line that is no TOML within a network: not an open one",
            "hostname = \"attic\"\ncountry = \"DE\"\n[[wifi]]\nname = \"Yard\"\npassword \"secretsecret\"\n"
                .to_owned()
                + HOME,
            &["network.toml:5: this is not TOML: key with no value, expected `=`"],
            &[home, attic],
        ),
        (
            "a quotation mark forgotten",
            "hostname = \"attic\ncountry = \"DE\"\n".to_owned() + HOME,
            &["network.toml:1: this is not TOML: invalid basic string, expected `\"`"],
            &[home, ("country=DE", SUPPLICANT)],
        ),
        (
            "names and passwords of impossible lengths, and a good network among them",
            format!(
                "country = \"DE\"\n{}{}{HOME}[[wifi]]\npassword = \"12345678\"\n",
                HOME.replace("12345678", "secret"),
                HOME.replace("Home", &"x".repeat(33))
            ),
            &[
                "network.toml:4: wifi.password: no network has such a password; it has 8 to 63 characters on one line, \
                 or is a key of 64 hexadecimal digits; leave it out if the network is open",
                "network.toml:6: wifi.name: no network has a name of this length; it has 1 to 32 letters (fewer, if \
                 some are not ASCII), just as phones show it",
                "network.toml:11: wifi.name: missing; write what the network is called, just as phones show it",
            ],
            &[home],
        ),
        (
            "a password without quotation marks",
            "country = \"DE\"\n[[wifi]]\nname = \"Yard\"\npassword = 87654321\n".to_owned() + HOME,
            &["network.toml:4: wifi.password: invalid type: integer, expected text, in quotes"],
            &[home],
        ),
        (
            "one network in one bracket, and open",
            "country = \"DE\"\n[wifi]\nname = \"Home\"\n".to_owned(),
            &[],
            &[home, ("key_mgmt=NONE", SUPPLICANT)],
        ),
        (
            "no table at all",
            "wifi = \"secretsecret\"\nhostname = \"attic\"".to_owned(),
            &["network.toml:1: wifi: invalid type: string, expected a table: Wifi"],
            &[attic, dhcp],
        ),
        (
            "a bad country, a bad name and a bad key, and a good one in the same list",
            format!(
                "country = \"Germany\"\nhostname = \"my box\"\nssh_key = [\n\"ssh-rsa AAAA me\",\n{}]\n{HOME}",
                example().lines().nth(1).and_then(|line| line.split(" = ").nth(1)).expect("a key")
            ),
            &[
                "network.toml: country: missing; Wi-Fi keeps to what is allowed everywhere, and may not find every \
                 network; write the two letters of the country the box is in, at the top of the file: country = \"DE\"",
                "network.toml:1: country: this is no country; write its two letters, as \"DE\" or \"US\": they say \
                 which channels Wi-Fi may use",
                "network.toml:2: hostname: this is no name for a box; write letters, digits and - alone, at most 63, \
                 as \"attic\"; it is found as attic.local",
                "network.toml:4: ssh_key: this key is damaged or not whole; copy the one line in the file that ends \
                 in .pub once more",
            ],
            &[home, ("me@laptop", KEYS)],
        ),
        (
            "a router that cannot be reached",
            "hostname = \"attic\"\n[wired]\naddress = \"192.168.1.20/24\"\ngateway = \"192.168.2.1\""
                .to_owned(),
            &[
                "network.toml:4: wired.gateway: it is not in the network of `address`, or is the box itself; correct \
               one of the two",
            ],
            &[dhcp, attic],
        ),
        (
            "no address",
            "[wired]\ngateway = \"192.168.1.1\"".to_owned(),
            &[
                "network.toml:1: wired.address: missing; write the box's own, as \"192.168.1.20/24\", or leave [wired] \
               out to be given one",
            ],
            &[dhcp],
        ),
        (
            "names are asked of others",
            "[wired]\naddress = \"10.0.0.2/8\"\ndns = [\"9.9.9.9\", \"2620:fe::fe\"]".to_owned(),
            &[],
            &[("Address=10.0.0.2/8\nDNS=9.9.9.9\nDNS=2620:fe::fe\n", WIRED)],
        ),
    ];
    let place = Place::new("faults");
    for (what, text, told, there) in table {
        let (found, files) = place.set_up(text);
        assert_eq!(found, *told, "{what}:\n{text}");
        for (part, path) in *there {
            let file = files.get(*path).unwrap_or_else(|| panic!("{what}: no {path}"));
            assert!(file.contains(part), "{what}: {path}:\n{file}");
        }
        let open = files.get(SUPPLICANT).is_some_and(|it| it.contains("key_mgmt=NONE"));
        assert_eq!(open, what.contains("and open"), "{what}");
    }
    // In Latin-1; a comment in it does no harm.
    let (told, files) = place.set_up(
        b"# K\xFCche\ncountry = \"DE\"\nhostname = \"attic\"\n[[wifi]]\nname = \"K\xFCche\"\npassword = \"12345678\"",
    );
    let not_utf_8 =
        "network.toml:5: wifi.name: there is a letter in it that is not UTF-8; save the file as UTF-8";
    assert_eq!((told, &*files[NAME]), (vec![not_utf_8.to_owned()], "attic\n"));
}

#[test]
fn the_documentation_names_every_key() {
    let (mut table, mut documented) = (String::new(), BTreeSet::new());
    for line in DOCS.lines() {
        if line.starts_with('#') {
            let name = line.split('`').nth(1).map(|it| it.trim_matches(['[', ']']));
            documented.extend(name.map(str::to_owned));
            table = name.map_or(String::new(), |name| format!("{name}."));
        } else if let Some(key) = line.strip_prefix("| `").and_then(|row| row.split('`').next()) {
            documented.extend((!key.contains(['/', '.'])).then(|| format!("{table}{key}")));
        }
    }
    assert_eq!(documented, network::keys().into_iter().collect());
}

#[test]
fn the_command_ends_well_whatever_it_is_given() {
    let place = Place::new("command");
    let run_with = |file: &str, filter: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_outpost"));
        command.args(["network", file, "--root", "root"]).current_dir(&place.0).stdin(Stdio::null());
        command.env("RUST_LOG", filter);
        let output = command.output().expect("outpost starts");
        assert_eq!((output.status.code(), &*output.stdout), (Some(0), &b""[..]), "{file}");
        let wired = fs::read_to_string(place.0.join("root/run").join(WIRED)).expect("a network by cable");
        assert_eq!(wired, DHCP);
        String::from_utf8(output.stderr).expect("text")
    };
    let run = |file: &str| run_with(file, "");
    let missing = "cannot be read (No such file or directory (os error 2)); until then the network is by cable; put it \
                   on the card, beside outpost.toml\n";
    assert_eq!(run("network.toml"), format!("outpost: network.toml: {missing}"));
    let told = run_with("network.toml", "outpost=loud");
    let (filter, rest) = told.split_once('\n').expect("two lines");
    assert!(filter.starts_with("outpost: RUST_LOG=\"outpost=loud\" is no log filter: "), "{told}");
    assert_eq!(rest, format!("outpost: network.toml: {missing}"));
    assert!(run("/").contains("cannot be read (Is a directory"));
    assert!(run("/dev/zero").contains("cannot be read (it is longer than 64 KiB)"));
    // Where nothing can be written that is told, and the rest is written.
    fs::remove_dir_all(place.0.join("root/run/outpost-network")).expect("it was there");
    fs::write(place.0.join("root/run/outpost-network"), "in the way").expect("room");
    assert!(run("/").contains("outpost: cannot write root/run/outpost-network/hostname: "));
}

/// What wpa_supplicant reads: names and passwords. A # begins a comment where the quotation marks before it stand in pairs,
/// and a text in quotes ends with the last (2.10 was asked).
fn supplicant_reads(file: &str) -> Vec<(Vec<u8>, Option<String>)> {
    let mut networks = Vec::new();
    for line in file.split('\n') {
        let is_comment = |at: &usize| line[..*at].matches('"').count().is_multiple_of(2);
        let comment = line.match_indices('#').map(|(at, _)| at).find(is_comment);
        let line = line[..comment.unwrap_or(line.len())].trim();
        if line == "network={" {
            networks.push((Vec::new(), None));
        }
        let (Some((key, value)), Some((name, password))) = (line.split_once('='), networks.last_mut()) else {
            continue;
        };
        match key {
            "ssid" => {
                let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).expect("hex"), 16);
                *name = value.as_bytes().chunks(2).map(|pair| byte(pair).expect("hex")).collect();
            }
            "psk" => {
                let text = value.strip_prefix('"').map(|rest| &rest[..rest.rfind('"').expect("its end")]);
                *password = Some(text.unwrap_or(value).to_owned());
            }
            "network" | "priority" | "key_mgmt" | "ieee80211w" => {}
            _ => panic!("{line}"),
        }
    }
    networks
}

proptest! {
    #[test]
    fn names_and_passwords_arrive_as_they_are(
        networks in proptest::collection::vec((any::<String>(), proptest::option::of("[ -~ü\"#\\\\\n]{7,20}")), 1..4),
        hash in "[0-9a-fA-F]{64}",
    ) {
        let text = |text: &str| toml::Value::String(text.to_owned()).to_string();
        let networks: Vec<_> = networks.into_iter().chain([("key".to_owned(), Some(hash))]).collect();
        let mut file = "country = \"DE\"\n".to_owned();
        for (name, password) in &networks {
            file += &format!("[[wifi]]\nname = {}\n", text(name));
            file.extend(password.iter().map(|it| format!("password = {}\n", text(it))));
        }
        let possible = |(name, password): &(String, Option<String>)| {
            let name = (1..=32).contains(&name.len()) && !name.contains('\u{fffd}');
            name && password.as_ref().is_none_or(|it| it.len() >= 8 && !it.contains('\n'))
        };
        let (good, bad): (Vec<_>, Vec<_>) = networks.into_iter().partition(possible);
        let place = Place::new("arrive");
        let (told, files) = place.set_up(&file);
        prop_assert_eq!(told.len(), bad.len(), "{:?}", told);
        let read = supplicant_reads(&files[SUPPLICANT]);
        prop_assert_eq!(read.len(), good.len());
        for ((name, password), (read_name, read)) in good.into_iter().zip(read) {
            prop_assert_eq!(name.as_bytes(), &read_name);
            match &password {
                Some(text) if text.contains('"') && text.contains('#') => {
                    let is_key = |it: &String| it.len() == 64 && it.bytes().all(|it| it.is_ascii_hexdigit());
                    prop_assert!(read.as_ref().is_some_and(is_key), "{:?}", read);
                }
                _ => prop_assert_eq!(read, password),
            }
        }
    }

    #[test]
    fn no_file_makes_it_fail_or_tell_a_password(
        at in 0usize..700, len in 0usize..4, with in proptest::collection::vec(any::<u8>(), 0..4),
    ) {
        let mut file = example().as_bytes().to_vec();
        let at = at.min(file.len());
        file.splice(at..(at + len).min(file.len()), with);
        let place = Place::new("spoilt");
        let (told, files) = place.set_up(&file);
        prop_assert!(files[WIRED].contains("DHCP=yes") || files[WIRED].contains("Address="));
        for told in told {
            prop_assert!(told.starts_with("network.toml") && !told.contains(char::is_control), "{}", told);
            let words = ["horse", "battery", "staple", "blue", "steel"];
            prop_assert!(!words.iter().any(|word| told.contains(word)), "{}", told);
        }
    }

    #[test]
    fn no_bytes_make_it_fail(file in proptest::collection::vec(any::<u8>(), 0..200)) {
        let place = Place::new("bytes");
        prop_assert!(place.set_up(file).1.contains_key(WIRED));
    }
}
