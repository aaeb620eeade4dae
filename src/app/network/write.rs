//! From a [`Network`] to the files that systemd-networkd, wpa_supplicant and sshd read.

use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use super::read::{Fixed, Network, Visibility, WifiNetwork};
use super::values::Password;

const PROBLEMS: &str = "run/outpost-network.problem";
const HEAD: &str = "# Made of network.toml at each start.\n";

/// Who may read a file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Readers {
    All,
    Root,
}

/// A file; without a text it is not there.
struct Leaf {
    path: &'static str,
    text: Option<String>,
    readers: Readers,
}

/// Writes all files below `root`; says which it cannot.
pub(super) fn all(network: &Network, root: &Path) -> Vec<String> {
    let all = |path, text| Leaf { path, text, readers: Readers::All };
    let wifi = !network.wifi.is_empty();
    let leaves = [
        all("run/systemd/network/10-wired.network", Some(wired(network.fixed.as_ref()))),
        all("run/systemd/network/20-wifi.network", wifi.then(wireless)),
        Leaf {
            path: "run/wpa_supplicant/wpa_supplicant-wlan0.conf",
            text: wifi.then(|| supplicant(network)),
            readers: Readers::Root,
        },
        all("run/outpost-network/hostname", Some(format!("{}\n", network.name))),
        // sshd reads it as the user who logs in, and heeds none that others may write (sshd(8)).
        all(
            "run/outpost-network/authorized_keys",
            Some(network.keys.iter().map(|key| format!("{key}\n")).collect()),
        ),
    ];
    leaves.iter().filter_map(|leaf| told(leaf, root)).collect()
}

/// Leaves `problems` where the page finds them; says if it cannot.
pub(super) fn problems(problems: &[String], root: &Path) -> Option<String> {
    let text =
        (!problems.is_empty()).then(|| problems.iter().map(|problem| format!("{problem}\n")).collect());
    told(&Leaf { path: PROBLEMS, text, readers: Readers::All }, root)
}

fn told(leaf: &Leaf, root: &Path) -> Option<String> {
    let path = root.join(leaf.path);
    let error = put(leaf, &path).err()?;
    Some(format!("cannot write {}: {error}", path.display()))
}

/// Writes a file anew, so that it has the rights it should have from its beginning.
fn put(leaf: &Leaf, path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let Some(text) = &leaf.text else { return Ok(()) };
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mode = if leaf.readers == Readers::Root { 0o600 } else { 0o644 };
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    // Whatever the umask was.
    file.set_permissions(fs::Permissions::from_mode(mode))?;
    file.write_all(text.as_bytes())
}

/// systemd.network(5). Nothing waits until it is online, as a box does what it is for without a network.
fn wired(fixed: Option<&Fixed>) -> String {
    // Of what has a cable, that which is there, no bridge or tunnel.
    let mut text = format!(
        "{HEAD}[Match]\nType=ether\nKind=!*\n\n[Link]\nRequiredForOnline=no\n\n[Network]\nMulticastDNS=yes\n"
    );
    // Writing to a text cannot fail.
    let _ = match fixed {
        None => text.write_str(
            // A network that gives no address has one in 169.254 and fe80.
            "DHCP=yes\nLinkLocalAddressing=yes\n\n[DHCPv4]\n# The same address after a card was written anew.\n\
             ClientIdentifier=mac\n",
        ),
        Some(Fixed { address, gateway, dns }) => {
            let gateway = gateway.iter().map(|gateway| format!("Gateway={gateway}\n"));
            let dns = dns.iter().map(|dns| format!("DNS={dns}\n"));
            write!(text, "Address={address}\n{}", gateway.chain(dns).collect::<String>())
        }
    };
    text
}

fn wireless() -> String {
    format!(
        "{HEAD}[Match]\nType=wlan\n\n[Link]\nRequiredForOnline=no\n\n[Network]\nMulticastDNS=yes\nDHCP=yes\n\
         LinkLocalAddressing=yes\n# From one access point to another it keeps its address.\nIgnoreCarrierLoss=3s\n\n\
         [DHCPv4]\nClientIdentifier=mac\n# A cable goes before it.\nRouteMetric=2048\n\n[IPv6AcceptRA]\n\
         RouteMetric=2048\n"
    )
}

/// wpa_supplicant.conf(5). It knows no way to escape what would end a text or begin a comment, so a name is told in
/// hexadecimal digits.
fn supplicant(network: &Network) -> String {
    let mut text = format!("{HEAD}ctrl_interface=/run/wpa_supplicant\n");
    // Writing to a text cannot fail.
    let _ = network.country.as_ref().map(|country| writeln!(text, "country={country}"));
    for (wifi, left) in network.wifi.iter().zip((0..network.wifi.len()).rev()) {
        let _ = block(&mut text, wifi, left);
    }
    text
}

fn block(text: &mut String, wifi: &WifiNetwork, priority: usize) -> std::fmt::Result {
    let WifiNetwork { name, password, visibility } = wifi;
    text.push_str("network={\n\tssid=");
    name.as_bytes().iter().try_for_each(|byte| write!(text, "{byte:02x}"))?;
    writeln!(text, "\n\tpriority={priority}")?;
    if *visibility == Visibility::Hidden {
        text.push_str("\tscan_ssid=1\n");
    }
    match password {
        None => text.push_str("\tkey_mgmt=NONE\n"),
        // With WPA3 as with WPA2, whichever the access point has.
        Some(Password::Phrase(phrase)) if !(phrase.contains('"') && phrase.contains('#')) => {
            write!(text, "\tpsk=\"{phrase}\"\n\tkey_mgmt=WPA-PSK WPA-PSK-SHA256 SAE\n")?;
        }
        // In quotes a # may begin a comment, depending on how many quotation marks stand before it. WPA3 has no use for the
        // key.
        Some(password) => {
            write!(text, "\tpsk={}\n\tkey_mgmt=WPA-PSK WPA-PSK-SHA256\n", password.key(name))?;
        }
    }
    // Frames of management are protected where the access point can, as WPA3 asks (IEEE 802.11w).
    text.push_str("\tieee80211w=1\n}\n");
    Ok(())
}
