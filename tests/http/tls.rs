//! HTTPS: which certificate, which version of HTTP, and what foreign programs say of both.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use outpost::serve::{Https, Identity};
use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::site::{LIMIT, Running, bytes_of, request, segment, until};

const LEN: usize = 300_000;
pub(crate) const ANY_PORT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
const MEDIA: &str = "/radio/audio/index.m3u8";

/// An empty folder of this test's own.
pub(crate) fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("https").join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("a folder");
    folder
}

/// HTTPS with a certificate of its own, kept in this folder.
pub(crate) fn own(folder: &Path) -> Https {
    let names = vec!["outpost-test".to_owned(), "localhost".to_owned()];
    let identity = Identity::Own { path: folder.join("https.pem"), names, addresses: vec![ANY_PORT.ip()] };
    Https { listen: ANY_PORT, identity }
}

pub(crate) type Client = StreamOwned<ClientConnection, TcpStream>;

/// A client that trusts the certificate in `folder` and nothing else, after its handshake.
pub(crate) fn connect(server: &Running, folder: &Path, protocols: &[&[u8]]) -> Client {
    try_connect(server, folder, protocols).expect("a handshake")
}

fn try_connect(server: &Running, folder: &Path, protocols: &[&[u8]]) -> io::Result<Client> {
    let mut trusted = RootCertStore::empty();
    let shown = CertificateDer::from_pem_file(folder.join("https.pem")).expect("a certificate");
    trusted.add(shown).expect("a certificate that can be trusted");
    let provider = Arc::new(ring::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(trusted), provider.clone()).build();
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_webpki_verifier(verifier.expect("a verifier"))
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    let name = ServerName::try_from("localhost").expect("a name");
    let mut connection = ClientConnection::new(Arc::new(config), name).expect("a client");
    let mut tcp = TcpStream::connect(server.https.expect("HTTPS")).expect("the server accepts");
    tcp.set_read_timeout(Some(LIMIT)).expect("a timeout");
    tcp.set_nodelay(true).expect("an option");
    while connection.is_handshaking() {
        connection.complete_io(&mut tcp)?;
    }
    Ok(StreamOwned::new(connection, tcp))
}

/// What a program prints, and whether it was content.
fn run(program: &str, arguments: &[&str]) -> (bool, Vec<u8>) {
    let done = Command::new(program).args(arguments).output();
    let done = done.unwrap_or_else(|error| panic!("{program} (Debian: {program}) does not run: {error}"));
    (done.status.success(), [done.stdout, done.stderr].concat())
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn clients_choose_their_version_of_http() {
    let folder = folder("versions");
    let server = Running::with(&[segment(7, LEN)], |config| config.https = Some(own(&folder)));
    type Names<'a> = &'a [&'a [u8]];
    let table: [(Names<'_>, Option<&[u8]>); 4] = [
        (&[b"h2", b"http/1.1"], Some(b"h2")),
        (&[b"http/1.1", b"h2"], Some(b"h2")),
        (&[b"http/1.1"], Some(b"http/1.1")),
        (&[], None),
    ];
    for (offered, chosen) in table {
        assert_eq!(connect(&server, &folder, offered).conn.alpn_protocol(), chosen, "{offered:?}");
    }
    // Whoever chooses nothing speaks HTTP/1.1, rests, and goes on.
    let mut client = connect(&server, &folder, &[]);
    for rests in 1..=2 {
        client.write_all(b"GET /api/v1/status HTTP/1.1\r\nHost: test\r\n\r\n").expect("sent");
        let mut heard = [0; 4096];
        let count = client.read(&mut heard).expect("an answer");
        assert!(text(&heard[..count]).starts_with("HTTP/1.1 200 OK"), "after {} rests", rests - 1);
        until("the connection rests", || server.stats.rests.get() == rests);
    }
    client.write_all(request("GET", "/radio/audio/7.ts", &[]).as_bytes()).expect("sent");
    let mut heard = Vec::new();
    // The connection may end without a farewell of TLS: the length is known.
    let _ = client.read_to_end(&mut heard);
    assert!(heard.ends_with(&bytes_of(7, LEN)));
}

#[test]
fn curl_reads_all_in_both_versions_and_trusts_the_certificate_by_name() {
    let folder = folder("curl");
    let server = Running::with(&[segment(7, LEN)], |config| config.https = Some(own(&folder)));
    let port = server.https.expect("HTTPS").port();
    let (resolve, trusted) =
        (format!("outpost-test:{port}:127.0.0.1"), folder.join("https.pem").display().to_string());
    for (option, version) in [("--http2", "2"), ("--http1.1", "1.1")] {
        for (path, body) in [(MEDIA, &server.get(MEDIA, &[]).body), ("/radio/audio/7.ts", &bytes_of(7, LEN))]
        {
            let url = format!("https://outpost-test:{port}{path}");
            let (good, heard) = run(
                "curl",
                &[
                    "-sS",
                    option,
                    "--cacert",
                    &trusted,
                    "--resolve",
                    &resolve,
                    "-w",
                    "%{http_version} %{http_code}",
                    &url,
                ],
            );
            assert!(good, "{option} {path}: {}", text(&heard));
            let end = format!("{version} 200");
            assert_eq!(text(&heard[body.len()..]), end, "{option} {path}");
            assert_eq!(&heard[..body.len()], body, "{option} {path}");
        }
    }
    let (good, heard) = run("curl", &["-sS", &format!("https://127.0.0.1:{port}/healthz")]);
    assert!(!good && text(&heard).contains("certificate"), "nobody vouches for it: {}", text(&heard));
}

#[test]
fn a_certificate_of_ones_own_is_kept_and_openssl_reads_it() {
    let folder = folder("kept");
    let kept = folder.join("https.pem");
    let shown = || {
        let server = Running::with(&[segment(7, 10)], |config| config.https = Some(own(&folder)));
        connect(&server, &folder, &[]);
        fs::read(&kept).expect("it is kept")
    };
    let first = shown();
    assert_eq!(shown(), first, "the same after a restart");
    assert_eq!(fs::metadata(&kept).expect("a file").permissions().mode() & 0o777, 0o600);

    let path = kept.display().to_string();
    let openssl = |arguments: &[&str]| {
        let (good, said) = run("openssl", &[&["x509", "-in", &path, "-noout"], arguments].concat());
        (good, text(&said))
    };
    let (good, said) =
        openssl(&["-fingerprint", "-sha256", "-ext", "subjectAltName,extendedKeyUsage,keyUsage"]);
    assert!(good, "{said}");
    let identity = own(&folder).identity;
    let fingerprint = identity.inspect().expect("a certificate").expect("made before");
    for part in [
        &*fingerprint,
        "DNS:outpost-test, DNS:localhost, IP Address:127.0.0.1",
        "Digital Signature",
        "TLS Web Server",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(openssl(&["-checkend", &(790 * 86_400).to_string()]).0, "good for long");
    assert!(
        !openssl(&["-checkend", &(825 * 86_400).to_string()]).0,
        "Apple's systems take none beyond 825 days"
    );
    assert!(run("openssl", &["pkey", "-in", &path, "-check", "-noout"]).0);
}

#[test]
fn files_that_change_are_read_again_while_clients_are_served() {
    let folder = folder("swapped");
    let (first, second) = (self::folder("swapped-first"), self::folder("swapped-second"));
    let files = Identity::Files { certificate: folder.join("https.pem"), key: folder.join("key.pem") };
    for folder in [&first, &second] {
        drop(Running::with(&[segment(7, 10)], |config| config.https = Some(own(folder))));
    }
    let install = |from: &Path| {
        for name in ["key.pem", "https.pem"] {
            let beside = folder.join("beside");
            fs::copy(from.join("https.pem"), &beside).expect("a copy");
            fs::rename(&beside, folder.join(name)).expect("renamed");
        }
    };
    install(&first);
    let server = Running::with(&[segment(7, 10)], |config| {
        config.https = Some(Https { listen: ANY_PORT, identity: files });
    });
    let mut open = connect(&server, &first, &[]);
    install(&second);
    // A client that trusts the second alone is served from now on.
    until("the other certificate is shown", || try_connect(&server, &second, &[]).is_ok());
    assert!(try_connect(&server, &first, &[]).is_err());
    open.write_all(request("GET", MEDIA, &[]).as_bytes()).expect("sent");
    let mut heard = [0; 15];
    open.read_exact(&mut heard).expect("who was there before is served as before");
    assert_eq!(&heard, b"HTTP/1.1 200 OK");
}

#[test]
fn a_handshake_is_waited_for_only_so_long_and_rubbish_is_none() {
    let folder = folder("handshake");
    let server = Running::with(&[segment(7, 10)], |config| {
        config.https = Some(own(&folder));
        config.patience.request = Duration::from_millis(300);
    });
    let address = server.https.expect("HTTPS");
    let silent = TcpStream::connect(address).expect("accepted");
    let mut plain = TcpStream::connect(address).expect("accepted");
    plain.write_all(request("GET", "/", &[]).as_bytes()).expect("sent");
    until("both are counted", || server.stats.slow_requests.get() == 1 && server.stats.malformed.get() == 1);
    until("both end", || server.stats.connections() == 0);
    drop(silent);
}

#[test]
fn clients_over_tls_take_places_and_give_them_up_like_others() {
    let folder = folder("places");
    let server = Running::with(&[segment(7, 10)], |config| {
        config.https = Some(own(&folder));
        config.max_connections = 2;
    });
    let idle = connect(&server, &folder, &[b"h2"]);
    // As long as a client has for its first word.
    std::thread::sleep(Duration::from_millis(1100));
    let _plain = server.connect();
    // The third takes the place of the one that was silent for longest.
    let mut third = connect(&server, &folder, &[]);
    third.write_all(request("GET", MEDIA, &[]).as_bytes()).expect("sent");
    let mut heard = [0; 12];
    third.read_exact(&mut heard).expect("an answer");
    assert_eq!(&heard, b"HTTP/1.1 200");
    assert_eq!((server.stats.displaced.get(), server.stats.refused.get()), (1, 0));
    drop(idle);
}
