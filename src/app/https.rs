//! HTTPS as configured: where it is served, and in whose name.

use nix::unistd::gethostname;

use super::address;
use super::config::{Certificate, Config, HttpsSettings};
use crate::serve::{Https, Identity};

/// The file in the state directory that keeps the certificate of our own, and its key.
const KEPT: &str = "https.pem";

/// What the server is to be told of HTTPS, if there is to be any.
pub(super) fn https(config: &Config) -> Option<Https> {
    let HttpsSettings { listen, certificate } = config.https.as_ref()?;
    let identity = match certificate {
        Certificate::Files { certificate, key } => {
            Identity::Files { certificate: certificate.clone(), key: key.clone() }
        }
        Certificate::Own => Identity::Own {
            path: config.state_dir.join(KEPT),
            names: own_names(),
            addresses: address::own_addresses(),
        },
    };
    Some(Https { listen: listen.0, identity })
}

/// What this machine is called, by itself and in its network.
pub(super) fn own_names() -> Vec<String> {
    names(gethostname().ok().and_then(|name| name.into_string().ok()))
}

/// What a machine of this name is called in its network: `.local` is what mDNS answers to (RFC 6762).
fn names(host: Option<String>) -> Vec<String> {
    let host = host.map(|host| host.to_lowercase()).filter(|host| !host.is_empty() && host != "localhost");
    let local = host.as_ref().filter(|host| !host.contains('.')).map(|host| format!("{host}.local"));
    host.into_iter().chain(local).chain(["localhost".to_owned()]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_is_called_by_its_name_in_the_network_too() {
        for (host, expected) in [
            (Some("Box"), &["box", "box.local", "localhost"][..]),
            (Some("box.example.org"), &["box.example.org", "localhost"]),
            (Some("localhost"), &["localhost"]),
            (Some(""), &["localhost"]),
            (None, &["localhost"]),
        ] {
            assert_eq!(names(host.map(str::to_owned)), expected, "{host:?}");
        }
    }
}
