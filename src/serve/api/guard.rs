//! Who may change anything: programs on the box itself, or whoever shows the token.
//!
//! Browsers are the danger: a page from anywhere may have its reader's browser ask us, from within the network and
//! even from the box. So a request that changes something must name a host that nobody else can give a name to (DNS
//! rebinding), and must not come from another site's page (cross-site request forgery).

use std::net::IpAddr;

use hyper::header::{FORWARDED, HOST, HeaderName, ORIGIN, VIA};
use hyper::http::uri::Authority;
use hyper::{HeaderMap, StatusCode, Uri};

use super::Fault;
use crate::serve::access::{self, Token};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");

/// Who may write by the API.
#[derive(Clone, Debug, Default)]
pub struct Writers {
    /// Those who show this token, and nobody else; without one, programs on the box itself.
    pub token: Option<Token>,
    /// What the box is called, in small letters, beside its addresses, `localhost` and names in `.local`.
    pub names: Vec<String>,
}

/// Who asks.
pub(in crate::serve) struct Sender<'a> {
    pub(in crate::serve) address: IpAddr,
    pub(in crate::serve) uri: &'a Uri,
    pub(in crate::serve) headers: &'a HeaderMap,
}

impl Writers {
    /// Whether who asks may write.
    pub(super) fn judge(&self, sender: &Sender<'_>) -> Result<(), Fault> {
        let refused = |why: &str| Err(Fault::new(StatusCode::FORBIDDEN, why));
        let Some(host) = host(sender) else { return refused("a request that writes names one host") };
        if !self.is_called(&host) {
            return Err(Fault::new(
                StatusCode::FORBIDDEN,
                format!("{} is no name of this box; if it is, add it to `names` in [api]", host.host()),
            ));
        }
        if sender.headers.get_all(ORIGIN).iter().any(|origin| !is_of(origin.as_bytes(), &host)) {
            return refused("a page from elsewhere may not write");
        }
        let mut sites = sender.headers.get_all(SEC_FETCH_SITE).iter();
        if sites.any(|site| !matches!(site.as_bytes(), b"same-origin" | b"none")) {
            return refused("a page from elsewhere may not write");
        }
        match (&self.token, access::bearer(sender.headers)) {
            (Some(token), Some(given)) if token.is(given) => Ok(()),
            (Some(_), Some(_)) => refused("this is not the token of [api]"),
            (Some(_), None) => {
                let why = "writing needs the token of [api] (Authorization: Bearer)";
                Err(Fault::new(StatusCode::UNAUTHORIZED, why))
            }
            (None, _) if sender.address.is_loopback() && !is_forwarded(sender.headers) => Ok(()),
            (None, _) => refused(
                "without a token only programs on the box itself may write, and not through a proxy; set one in [api]",
            ),
        }
    }

    /// Whether nobody else can give this name to an address: it is an address, or known to be ours.
    fn is_called(&self, host: &Authority) -> bool {
        let name = host.host().to_ascii_lowercase();
        let name = name.strip_suffix('.').unwrap_or(&name);
        let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
        bare.parse::<IpAddr>().is_ok()
            || name == "localhost"
            // Answered by whoever is in the network, not by a name server (RFC 6762, 3).
            || name.ends_with(".local")
            || self.names.iter().any(|known| known == name)
    }
}

/// The host a request is for: of HTTP/2 the pseudo field, else the field. None if there is any doubt.
fn host(sender: &Sender<'_>) -> Option<Authority> {
    let mut fields = sender.headers.get_all(HOST).iter();
    let field = fields.next().map(|field| Authority::try_from(field.as_bytes()));
    let host = match (sender.uri.authority(), field) {
        (Some(asked), _) => asked.clone(),
        (None, Some(Ok(field))) => field,
        (None, _) => return None,
    };
    (fields.next().is_none() && !host.as_str().contains('@')).then_some(host)
}

/// Whether an origin (RFC 6454, 7) is a page of this host.
fn is_of(origin: &[u8], host: &Authority) -> bool {
    let uri = Uri::try_from(origin).ok();
    let parts = uri.as_ref().and_then(|uri| Some((uri.scheme_str()?, uri.authority()?)));
    let Some((scheme, page)) = parts else { return false };
    let usual = if scheme == "https" { 443 } else { 80 };
    let port = |authority: &Authority| authority.port_u16().unwrap_or(usual);
    page.host().eq_ignore_ascii_case(host.host()) && port(page) == port(host)
}

/// Whether somebody handed the request on: then it is not known who asks.
fn is_forwarded(headers: &HeaderMap) -> bool {
    [FORWARDED, X_FORWARDED_FOR, X_REAL_IP, VIA].iter().any(|name| headers.contains_key(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "0123456789abcdef";

    /// What is said to a request with these fields, from that address.
    fn said(writers: &Writers, address: &str, fields: &[(&'static str, &'static str)]) -> u16 {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, value.parse().expect("a value"));
        }
        let (uri, address) = (Uri::from_static("/api"), address.parse().expect("an address"));
        let judged = writers.judge(&Sender { address, uri: &uri, headers: &headers });
        judged.map_or_else(|fault| fault.status.as_u16(), |()| 200)
    }

    #[test]
    fn who_may_write() {
        let alone = Writers { token: None, names: vec!["box".to_owned(), "radio.example.org".to_owned()] };
        let token = Writers { token: TOKEN.parse().ok(), ..alone.clone() };
        let bearer = ("authorization", "Bearer 0123456789abcdef");
        let local = ("host", "127.0.0.1:8080");
        // From where, with which fields, and what is said without and with a token.
        type Case = (&'static str, &'static [(&'static str, &'static str)], u16);
        let table: &[Case] = &[
            ("127.0.0.1", &[("host", "127.0.0.1:8080")], 200),
            ("::1", &[("host", "[::1]:8080")], 200),
            ("127.0.0.1", &[("host", "localhost")], 200),
            ("127.0.0.1", &[("host", "Attic.LOCAL.:8080")], 200),
            ("127.0.0.1", &[("host", "BOX:8080")], 200),
            ("127.0.0.1", &[("host", "radio.example.org")], 200),
            ("127.0.0.1", &[("host", "evil.example.org:8080")], 403),
            ("127.0.0.1", &[("host", "local")], 403),
            ("127.0.0.1", &[("host", "localhost.evil.org")], 403),
            ("127.0.0.1", &[("host", "u@localhost")], 403),
            ("127.0.0.1", &[("host", "localhost"), ("host", "box")], 403),
            ("127.0.0.1", &[], 403),
            ("127.0.0.1", &[("host", "box:8080"), ("origin", "http://box:8080")], 200),
            ("127.0.0.1", &[("host", "box"), ("origin", "https://BOX")], 200),
            ("127.0.0.1", &[("host", "box:443"), ("origin", "https://box")], 200),
            ("127.0.0.1", &[("host", "box:8080"), ("origin", "http://box:8081")], 403),
            ("127.0.0.1", &[("host", "box:8080"), ("origin", "http://box")], 403),
            ("127.0.0.1", &[("host", "box"), ("origin", "https://evil.org")], 403),
            ("127.0.0.1", &[("host", "box"), ("origin", "null")], 403),
            ("127.0.0.1", &[("host", "box"), ("origin", "")], 403),
            ("127.0.0.1", &[("host", "box"), ("sec-fetch-site", "same-origin")], 200),
            ("127.0.0.1", &[("host", "box"), ("sec-fetch-site", "none")], 200),
            ("127.0.0.1", &[("host", "box"), ("sec-fetch-site", "cross-site")], 403),
            ("127.0.0.1", &[("host", "box"), ("sec-fetch-site", "same-site")], 403),
        ];
        for (address, fields, expected) in table {
            assert_eq!(said(&alone, address, fields), *expected, "{address} {fields:?}");
            let shown: Vec<_> = fields.iter().copied().chain([bearer]).collect();
            assert_eq!(said(&token, address, &shown), *expected, "with the token: {address} {fields:?}");
            let without = if *expected == 200 { 401 } else { 403 };
            assert_eq!(said(&token, address, fields), without, "without the token: {address} {fields:?}");
        }
        let far = "192.168.1.7";
        assert_eq!(said(&alone, far, &[local]), 403);
        assert_eq!(said(&alone, far, &[local, ("x-forwarded-for", "127.0.0.1")]), 403);
        for name in ["x-forwarded-for", "x-real-ip", "forwarded", "via"] {
            assert_eq!(said(&alone, "127.0.0.1", &[local, (name, "127.0.0.1")]), 403, "handed on: {name}");
        }
        assert_eq!(said(&alone, far, &[local, bearer]), 403, "there is no token that could be right");
        assert_eq!(said(&token, far, &[local, bearer]), 200);
        assert_eq!(said(&token, far, &[local, ("x-forwarded-for", "127.0.0.1")]), 401);
        assert_eq!(said(&token, "127.0.0.1", &[local, ("authorization", "Bearer 0123456789abcdeF")]), 403);
    }
}
