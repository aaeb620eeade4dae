//! A client that sends what it is told, and notices when nothing comes back.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn text(self) -> String {
        String::from_utf8(self.body).expect("an answer in UTF-8")
    }
}

/// What stands at `path`. Only for answers with a length.
pub(crate) fn get(address: SocketAddr, path: &str) -> Reply {
    let mut server = connect(address);
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    server.write_all(request.as_bytes()).expect("a request is taken");
    let mut answer = Vec::new();
    server.read_to_end(&mut answer).expect("an answer comes to its end");
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("a header block");
    let header = String::from_utf8_lossy(&answer[..end]).to_lowercase();
    let status = header.get(9..12).and_then(|status| status.parse().ok()).expect("a status");
    let body = answer.split_off(end + 4);
    let length: Option<usize> =
        header.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
    assert_eq!(length, Some(body.len()), "{path}: a body of the length that was announced");
    Reply { status, body }
}

pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect_timeout(&address, PATIENCE).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("an option");
    stream.set_write_timeout(Some(PATIENCE)).expect("an option");
    stream
}

/// Says `said`, then `end` happens: the rest of what a client may do.
pub(crate) fn harass(address: SocketAddr, said: &[u8], end: End) {
    let mut server = connect(address);
    // It may be closed before all is said.
    if server.write_all(said).is_err() {
        return;
    }
    let mut heard = [0; 4096];
    match end {
        End::Vanish => {}
        End::ReadSome => {
            server.set_read_timeout(Some(Duration::from_millis(100))).expect("an option");
            let _ = server.read(&mut heard);
        }
        End::Hear => {
            let _ = server.shutdown(Shutdown::Write);
            // The endless stream is left in the middle.
            for _ in 0..16 {
                match server.read(&mut heard) {
                    Ok(0) => break,
                    Ok(_) => {}
                    Err(error) => {
                        let waited = matches!(
                            error.kind(),
                            std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
                        );
                        let said = String::from_utf8_lossy(said);
                        assert!(!waited, "neither an answer nor an end after {PATIENCE:?}: {said}");
                        break;
                    }
                }
            }
        }
    }
}

/// How a client leaves.
#[derive(Clone, Copy)]
pub(crate) enum End {
    /// At once.
    Vanish,
    /// In the middle of the answer.
    ReadSome,
    /// Having said that nothing more will come, and heard the answer.
    Hear,
}
