//! The files of the page, as they arrive.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::chromium::Browser;
use crate::outpost_program::Outpost;
use crate::tool;

/// The files Chromium asked for are those the page is made of, and each arrives as it lies in the repository:
/// with its type, compressed where asked, and not a second time where it is known.
pub(crate) async fn everything_loaded(browser: &Browser, outpost: &Outpost) {
    let asked = browser
        .ask("return performance.getEntriesByType('resource').map((entry) => new URL(entry.name).pathname)")
        .await;
    let asked: BTreeSet<_> = asked.as_array().expect("a list").iter().filter_map(Value::as_str).collect();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/serve/page");
    for file in fs::read_dir(folder).expect("the page's folder") {
        let file = file.expect("a file of the page").path();
        let lies = file.file_name().and_then(|name| name.to_str()).expect("a plain name");
        let (name, content) = match lies.strip_suffix(".gz") {
            Some(name) => (name, tool::run("gzip", &["-dc", tool::text(&file)])),
            None => (lies, fs::read(&file).expect("readable")),
        };
        let url = outpost.url(&match name {
            "index.html" => "/".to_owned(),
            _ => format!("/assets/{name}"),
        });
        // All of hls.js is for those who want low delay.
        if name != "hls.min.js" && (name.ends_with(".js") || name.ends_with(".css")) {
            assert!(asked.contains(format!("/assets/{name}").as_str()), "{name} was not loaded: {asked:?}");
        }
        arrives(&url, name, &content);
    }
}

fn arrives(url: &str, name: &str, content: &[u8]) {
    let kind = match name.rsplit_once('.').expect("a suffix").1 {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "webmanifest" => "application/manifest+json",
        _ => "text/plain; charset=utf-8",
    };
    let (head, body) = curl(url, &["--compressed"]);
    assert_eq!(body, content, "{name} arrives otherwise than it lies there");
    assert_eq!(head["content-type"], kind, "{name}");
    assert_eq!(head["content-encoding"], "gzip", "{name}");
    assert_eq!(head["x-content-type-options"], "nosniff", "{name}");
    if name == "index.html" {
        assert_eq!(
            head["content-security-policy"],
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; \
             connect-src 'self'; media-src 'self' blob:; worker-src 'self' blob:; manifest-src 'self'; \
             base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        );
    }
    let (head_of_plain, body) = curl(url, &[]);
    assert_eq!(
        (body.as_slice(), head_of_plain.get("content-encoding")),
        (content, None),
        "{name}, to who takes no gzip"
    );
    let known = format!("If-None-Match: {}", head["etag"]);
    let (head, body) = curl(url, &["--compressed", "--header", &known]);
    assert_eq!((head["status"].as_str(), body.len()), ("HTTP/1.1 304 Not Modified", 0), "{name}");
}

/// The fields of the answer, names in small letters, its first line as `status`; and its body, decompressed.
fn curl(url: &str, words: &[&str]) -> (BTreeMap<String, String>, Vec<u8>) {
    let output = Command::new("curl")
        .args(["--silent", "--show-error", "--max-time", "10", "--include"])
        .args(words)
        .arg(url)
        .output()
        .expect("curl runs (Debian: curl)");
    let answer = output.stdout;
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n");
    let end = end.unwrap_or_else(|| panic!("{url}: {}", String::from_utf8_lossy(&output.stderr)));
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    let fields = head.lines().map(|line| line.split_once(": ").unwrap_or(("status", line)));
    (
        fields.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect(),
        answer[end + 4..].to_vec(),
    )
}
