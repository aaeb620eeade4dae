//! One player's connection: HTTP/1.1, kept alive, and no more of it than our own server needs.

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

/// Where what comes is put, for all connections: each looks at it at once.
pub(super) type Scratch = Rc<RefCell<Box<[u8]>>>;

pub(super) fn scratch() -> Scratch {
    Rc::new(RefCell::new(vec![0; 64 * 1024].into()))
}

pub(super) struct Connection {
    tcp: TcpStream,
    host: SocketAddr,
    scratch: Scratch,
}

impl Connection {
    pub(super) async fn open(host: SocketAddr, scratch: Scratch) -> io::Result<Self> {
        let tcp = TcpStream::connect(host).await?;
        tcp.set_nodelay(true)?;
        Ok(Self { tcp, host, scratch })
    }

    /// What stands at `path`, compressed if the server likes.
    pub(super) async fn body(&mut self, path: &str) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        self.exchange(path, "Accept-Encoding: gzip\r\n", |bytes| body.extend_from_slice(bytes)).await?;
        Ok(body)
    }

    /// Fetches what stands at `path`, and drops it.
    pub(super) async fn load(&mut self, path: &str) -> io::Result<()> {
        self.exchange(path, "", |_| {}).await
    }

    async fn exchange(&mut self, path: &str, fields: &str, mut take: impl FnMut(&[u8])) -> io::Result<()> {
        let request = format!("GET {path} HTTP/1.1\r\nHost: {}\r\n{fields}\r\n", self.host);
        self.tcp.write_all(request.as_bytes()).await?;
        let mut head = Vec::new();
        // Of the body, once its length is known.
        let mut left = None;
        while left != Some(0) {
            self.tcp.readable().await?;
            let mut scratch = self.scratch.borrow_mut();
            let count = match self.tcp.try_read(&mut scratch) {
                Ok(0) => return Err(wrong(path, "the server hung up")),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                count => count?,
            };
            let mut heard = &scratch[..count];
            if left.is_none() {
                let before = head.len();
                head.extend_from_slice(heard);
                let Some(end) = head.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
                heard = &heard[end + 4 - before..];
                left =
                    Some(length(&head[..end]).ok_or_else(|| wrong(path, &String::from_utf8_lossy(&head)))?);
            }
            take(heard);
            left = left.and_then(|left| left.checked_sub(heard.len()));
        }
        Ok(())
    }
}

/// The length of the body of a reply that is a success.
fn length(head: &[u8]) -> Option<usize> {
    let (status, fields) = str::from_utf8(head).ok()?.split_once("\r\n")?;
    let mut fields = fields.lines().filter_map(|line| line.split_once(": "));
    let length = fields.find(|(name, _)| name.eq_ignore_ascii_case("content-length"))?.1;
    length.parse().ok().filter(|_| status.starts_with("HTTP/1.1 200"))
}

fn wrong(path: &str, what: &str) -> io::Error {
    io::Error::other(format!("{path}: {what}"))
}
