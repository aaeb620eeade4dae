//! Just enough of a web server for the files of a test.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::thread;

/// Serves the file that `find` names for a path, query taken off, to whoever asks, until the test ends.
pub(crate) fn serve(find: impl Fn(&str) -> PathBuf + Clone + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("its address");
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let find = find.clone();
            thread::spawn(move || answer(stream, find));
        }
    });
    address
}

fn answer(mut stream: TcpStream, find: impl Fn(&str) -> PathBuf) {
    let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
    let request = lines.next().unwrap_or_default();
    lines.take_while(|line| !line.is_empty()).for_each(drop);
    let path = request.split([' ', '?']).nth(1).unwrap_or_default();
    let file = find(path);
    let kind = match file.extension().and_then(|kind| kind.to_str()) {
        Some("js") => "text/javascript",
        _ => "text/html",
    };
    let (status, body) = fs::read(file).map_or(("404 Not Found", Vec::new()), |body| ("200 OK", body));
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    // A browser that hung up has what it wanted.
    drop(stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body)));
}
