//! How others reach what we serve.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

/// The addresses to open in a browser, each ending with a slash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reach {
    /// From this machine.
    pub here: String,
    /// From the network, if it can be reached from there.
    pub network: Option<String>,
}

/// How an address is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// As it is.
    Http,
    /// Over TLS.
    Https,
}

impl Scheme {
    const fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

impl Reach {
    /// How to reach what listens on `listen`.
    pub fn of(scheme: Scheme, listen: SocketAddr) -> Self {
        Self::on(scheme, listen, own_v4, own_v6)
    }

    fn on(
        scheme: Scheme,
        listen: SocketAddr,
        v4: fn() -> Option<IpAddr>,
        v6: fn() -> Option<IpAddr>,
    ) -> Self {
        let scheme = scheme.name();
        let url = |ip: IpAddr| format!("{scheme}://{}/", SocketAddr::new(ip, listen.port()));
        let everywhere = format!("{scheme}://localhost:{}/", listen.port());
        match listen.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => Self { here: everywhere, network: v4().map(url) },
            // An IPv6 socket on every address hears IPv4 too, and that is what people can type.
            IpAddr::V6(ip) if ip.is_unspecified() => {
                Self { here: everywhere, network: v4().or_else(v6).map(url) }
            }
            ip if ip.is_loopback() => Self { here: url(ip), network: None },
            ip => Self { here: url(ip), network: Some(url(ip)) },
        }
    }

    /// The address to hand out: the network's, else this machine's own.
    pub fn best(&self) -> &str {
        self.network.as_deref().unwrap_or(&self.here)
    }
}

/// The addresses under which this machine is found: by itself, and by others.
pub(super) fn own_addresses() -> Vec<IpAddr> {
    let loopback = [IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST)];
    loopback.into_iter().chain(own_v4()).chain(own_v6()).collect()
}

/// The address this machine would use towards `remote`. Connecting a UDP socket only asks the routing
/// table; nothing is sent.
fn own(any: IpAddr, remote: IpAddr) -> Option<IpAddr> {
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.connect((remote, 9)).ok()?;
    let ip = socket.local_addr().ok()?.ip();
    (!ip.is_loopback() && !ip.is_unspecified()).then_some(ip)
}

/// Towards an address that is only ever found in documentation (RFC 5737).
fn own_v4() -> Option<IpAddr> {
    own(Ipv4Addr::UNSPECIFIED.into(), Ipv4Addr::new(192, 0, 2, 1).into())
}

/// The same (RFC 3849).
fn own_v6() -> Option<IpAddr> {
    own(Ipv6Addr::UNSPECIFIED.into(), Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_way_to_listen_and_how_it_is_reached() {
        let v4 = || Some(IpAddr::from([192, 168, 1, 20]));
        let v6 = || "fd00::20".parse().ok();
        let none = || None;
        let case = |listen: &str, v4: fn() -> Option<IpAddr>, v6| {
            let reach = Reach::on(Scheme::Http, listen.parse().expect("an address"), v4, v6);
            (reach.here, reach.network.unwrap_or_default())
        };
        let pair = |here: &str, network: &str| (here.to_owned(), network.to_owned());
        assert_eq!(case("[::]:8080", v4, v6), pair("http://localhost:8080/", "http://192.168.1.20:8080/"));
        assert_eq!(case("[::]:80", none, v6), pair("http://localhost:80/", "http://[fd00::20]:80/"));
        assert_eq!(case("0.0.0.0:80", none, v6), pair("http://localhost:80/", ""));
        assert_eq!(case("127.0.0.1:9000", v4, v6), pair("http://127.0.0.1:9000/", ""));
        assert_eq!(case("[::1]:9000", v4, v6), pair("http://[::1]:9000/", ""));
        assert_eq!(case("10.0.0.7:80", v4, v6), pair("http://10.0.0.7:80/", "http://10.0.0.7:80/"));
        let secured = Reach::on(Scheme::Https, "[::]:8443".parse().expect("an address"), v4, v6);
        assert_eq!(secured.best(), "https://192.168.1.20:8443/");
    }

    #[test]
    fn the_machine_is_asked_without_a_packet() {
        // Whatever the network is like: an address or none, never one that others cannot use.
        for ip in [own_v4(), own_v6()].into_iter().flatten() {
            assert!(!ip.is_loopback() && !ip.is_unspecified(), "{ip}");
        }
    }
}
