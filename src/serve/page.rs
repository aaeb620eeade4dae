//! The page and its files, embedded in the program.

use std::collections::BTreeSet;
use std::sync::{LazyLock, OnceLock};

use bytes::Bytes;
use hyper::header::HeaderValue;

use super::text::Text;

/// One file of the page.
pub(super) struct Asset {
    name: &'static str,
    /// Its media type.
    pub(super) kind: HeaderValue,
    bytes: &'static [u8],
    /// What it is made into, by how it is embedded.
    make: fn(Bytes) -> Text,
    text: OnceLock<Text>,
}

impl Asset {
    /// What is in it.
    pub(super) fn text(&self) -> &Text {
        self.text.get_or_init(|| (self.make)(Bytes::from_static(self.bytes)))
    }
}

static INDEX: LazyLock<Asset> =
    LazyLock::new(|| asset("index.html", "text/html; charset=utf-8", include_bytes!("page/index.html")));

static ASSETS: LazyLock<[Asset; 20]> = LazyLock::new(|| {
    const SCRIPT: &str = "text/javascript; charset=utf-8";
    [
        asset("address.js", SCRIPT, include_bytes!("page/address.js")),
        asset("app.js", SCRIPT, include_bytes!("page/app.js")),
        asset("choices.js", SCRIPT, include_bytes!("page/choices.js")),
        asset("commands.js", SCRIPT, include_bytes!("page/commands.js")),
        asset("feed.js", SCRIPT, include_bytes!("page/feed.js")),
        asset("list.js", SCRIPT, include_bytes!("page/list.js")),
        asset("listening.js", SCRIPT, include_bytes!("page/listening.js")),
        asset("log.js", SCRIPT, include_bytes!("page/log.js")),
        asset("meter.js", SCRIPT, include_bytes!("page/meter.js")),
        asset("player.js", SCRIPT, include_bytes!("page/player.js")),
        asset("timeline.js", SCRIPT, include_bytes!("page/timeline.js")),
        asset("words.js", SCRIPT, include_bytes!("page/words.js")),
        packed("hls.light.min.js", SCRIPT, include_bytes!("page/hls.light.min.js.gz")),
        packed("hls.min.js", SCRIPT, include_bytes!("page/hls.min.js.gz")),
        asset("hls.LICENSE", "text/plain; charset=utf-8", include_bytes!("page/hls.LICENSE")),
        asset("style.css", "text/css; charset=utf-8", include_bytes!("page/style.css")),
        asset("icon.svg", "image/svg+xml", include_bytes!("page/icon.svg")),
        asset("icon.png", "image/png", include_bytes!("page/icon.png")),
        asset("icon-mask.png", "image/png", include_bytes!("page/icon-mask.png")),
        asset(
            "manifest.webmanifest",
            "application/manifest+json",
            include_bytes!("page/manifest.webmanifest"),
        ),
    ]
});

fn asset(name: &'static str, kind: &'static str, bytes: &'static [u8]) -> Asset {
    Asset { name, kind: HeaderValue::from_static(kind), bytes, make: Text::new, text: OnceLock::new() }
}

/// One that lies in the repository as gzip made it: what is large and not ours.
fn packed(name: &'static str, kind: &'static str, bytes: &'static [u8]) -> Asset {
    Asset { make: Text::packed, ..asset(name, kind, bytes) }
}

/// The page itself.
pub(super) fn index() -> &'static Asset {
    &INDEX
}

/// The file called `name` below `/assets/`.
pub(super) fn find(name: &str) -> Option<&'static Asset> {
    ASSETS.iter().find(|asset| asset.name == name)
}

/// What the page may load (Content Security Policy, level 3): what is here, and keys where they are kept; `keys` is
/// what stands before their names in playlists. hls.js plays from `blob:` addresses and works in a worker made of one.
pub(super) fn policy<'a>(keys: impl Iterator<Item = &'a str>) -> HeaderValue {
    let elsewhere: BTreeSet<_> = keys.filter_map(origin).collect();
    let elsewhere: String = elsewhere.iter().map(|origin| format!(" {origin}")).collect();
    let policy = format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; \
         connect-src 'self'{elsewhere}; media-src 'self' blob:; worker-src 'self' blob:; manifest-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    HeaderValue::try_from(policy).expect("an origin is a field value")
}

/// Scheme, host and port of an absolute address (RFC 6454, 6.2); nothing of one that could end the directive it is
/// written in.
fn origin(address: &str) -> Option<&str> {
    let host = address.find("://")? + "://".len();
    let end = address[host..].find('/').map_or(address.len(), |slash| host + slash);
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
    address[host..end].bytes().all(plain).then_some(&address[..end])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::negotiate::Coding;

    #[test]
    fn everything_the_page_asks_for_is_there() {
        let html = INDEX.text().bytes(Coding::Identity);
        let html = std::str::from_utf8(html).expect("the page is UTF-8");
        let names = html.split("\"/assets/").skip(1).filter_map(|rest| rest.split('"').next());
        let names: Vec<_> = names.collect();
        assert!(!names.is_empty(), "the page refers to its script");
        for name in names {
            assert!(find(name).is_some(), "index.html refers to /assets/{name}, which is not embedded");
        }
    }

    #[test]
    fn the_policy_names_the_origins_of_keys_once_each() {
        let connect = |keys: &[&str]| {
            let policy = policy(keys.iter().copied());
            let policy = policy.to_str().expect("ASCII").to_owned();
            policy.split("; ").find_map(|it| it.strip_prefix("connect-src ").map(str::to_owned))
        };
        let table: [(&[&str], &str); 5] = [
            (&[], "'self'"),
            (&["../keys/", "../keys/"], "'self'"),
            (
                &["https://a.example/radio/", "../keys/", "https://a.example/camera/"],
                "'self' https://a.example",
            ),
            (&["http://[::1]:81/", "http://10.0.0.2/"], "'self' http://10.0.0.2 http://[::1]:81"),
            (&["https://a;script-src/", "https://a, b/", "https://user@a/", "https://a\n/"], "'self'"),
        ];
        for (keys, expected) in table {
            assert_eq!(connect(keys).as_deref(), Some(expected), "{keys:?}");
        }
    }

    #[test]
    fn every_file_beside_the_page_is_embedded() {
        let files =
            std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/src/serve/page")).expect("the folder");
        for file in files {
            let file = file.expect("an entry").file_name().into_string().expect("a plain name");
            let name = file.strip_suffix(".gz").unwrap_or(&file);
            assert!(name == "index.html" || find(name).is_some(), "{name} is not embedded");
        }
    }
}
