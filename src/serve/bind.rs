//! Where it is listened: sockets of our own, and those that were opened for us.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use socket2::{Domain, Protocol, Socket, Type};

use super::server::BindError;

/// Connections the kernel holds until they are accepted.
const BACKLOG: i32 = 1024;

/// Sockets that others have opened.
pub(super) struct Handed(pub(super) Vec<TcpListener>);

impl Handed {
    /// Listens: on the one that has this port, if there is one. Errors name `setting` as the place to choose another
    /// address.
    pub(super) fn bind(
        &mut self,
        address: SocketAddr,
        setting: &str,
    ) -> Result<(TcpListener, SocketAddr), BindError> {
        let port = |it: &TcpListener| it.local_addr().is_ok_and(|it| it.port() == address.port());
        let listener = match self.0.iter().position(port) {
            Some(at) => {
                let listener = self.0.swap_remove(at);
                let handed = listener.local_addr().unwrap_or(address);
                let everywhere = handed.ip().is_unspecified() && address.ip().is_unspecified();
                if handed != address && !everywhere {
                    return Err(BindError::Handed { address, handed });
                }
                listener.set_nonblocking(true).map(|()| listener)
            }
            None => listen(address),
        };
        let listener = listener.map_err(|source| BindError::Address {
            address,
            remedy: remedy(&source, address, setting),
            source,
        })?;
        let address = listener.local_addr().unwrap_or(address);
        Ok((listener, address))
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    match listen_on(address, Awaited::No) {
        // A kernel without IPv6: all addresses are then all of IPv4.
        Err(error) if address.is_ipv6() && address.ip().is_unspecified() && is_without_ipv6(&error) => {
            listen_on(SocketAddr::from((Ipv4Addr::UNSPECIFIED, address.port())), Awaited::No)
        }
        // A network comes when it comes, and goes and comes again.
        Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable => {
            let listener = listen_on(address, Awaited::Yes)?;
            tracing::warn!(
                "no interface of this machine has the address {} yet; it is served there as soon as one has \
                 (`ip address` shows them; [::]:{} listens on all)",
                address.ip(),
                address.port()
            );
            Ok(listener)
        }
        outcome => outcome,
    }
}

/// Whether an address may be one that no interface has yet.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Awaited {
    Yes,
    No,
}

fn is_without_ipv6(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EAFNOSUPPORT | libc::EADDRNOTAVAIL))
}

fn listen_on(address: SocketAddr, awaited: Awaited) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    if awaited == Awaited::Yes {
        // For IPv6 too (ip(7)).
        socket.set_freebind_v4(true)?;
    }
    // Start again at once, although connections of the last run still linger.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn remedy(error: &io::Error, address: SocketAddr, setting: &str) -> String {
    let port = address.port();
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            let other = port.checked_add(1).unwrap_or(8080);
            // Some shells take brackets for a pattern, and a port alone says the same.
            let other = match address.ip() {
                ip if ip.is_unspecified() && ip.is_ipv6() => other.to_string(),
                ip => SocketAddr::new(ip, other).to_string(),
            };
            format!(
                "another program has this port (`ss -ltnp 'sport = :{port}'` shows which); stop it, or listen elsewhere, \
             as with {setting} {other}"
            )
        }
        io::ErrorKind::PermissionDenied => format!(
            "port {port} is reserved for privileged programs; take one from 1024 up, or grant CAP_NET_BIND_SERVICE"
        ),
        io::ErrorKind::AddrNotAvailable => format!(
            "no interface of this machine has that address (`ip address` shows them); [::]:{port} listens on all"
        ),
        _ => "choose another address to listen on".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_is_not_there_yet_is_listened_on() {
        // Of documentation (RFC 5737, RFC 3849).
        for address in ["192.0.2.7:0", "[2001:db8::7]:0"] {
            let address: SocketAddr = address.parse().expect("an address");
            let listener = match listen(address) {
                Err(error) if address.is_ipv6() && is_without_ipv6(&error) => continue,
                listener => listener.expect("it is waited for"),
            };
            assert_eq!(listener.local_addr().expect("it has one").ip(), address.ip());
        }
    }
}
