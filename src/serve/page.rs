//! The page and its files, embedded in the program.

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
    text: OnceLock<Text>,
}

impl Asset {
    /// What is in it; compressed when somebody first asks for it, which not everybody does for all of them.
    pub(super) fn text(&self) -> &Text {
        self.text.get_or_init(|| Text::new(Bytes::from_static(self.bytes)))
    }
}

static INDEX: LazyLock<Asset> =
    LazyLock::new(|| asset("index.html", "text/html; charset=utf-8", include_bytes!("page/index.html")));

static ASSETS: LazyLock<[Asset; 12]> = LazyLock::new(|| {
    const SCRIPT: &str = "text/javascript; charset=utf-8";
    [
        asset("app.js", SCRIPT, include_bytes!("page/app.js")),
        asset("feed.js", SCRIPT, include_bytes!("page/feed.js")),
        asset("meter.js", SCRIPT, include_bytes!("page/meter.js")),
        asset("player.js", SCRIPT, include_bytes!("page/player.js")),
        asset("words.js", SCRIPT, include_bytes!("page/words.js")),
        asset("hls.light.min.js", SCRIPT, include_bytes!("page/hls.light.min.js")),
        asset("hls.min.js", SCRIPT, include_bytes!("page/hls.min.js")),
        asset("hls.LICENSE", "text/plain; charset=utf-8", include_bytes!("page/hls.LICENSE")),
        asset("style.css", "text/css; charset=utf-8", include_bytes!("page/style.css")),
        asset("icon.svg", "image/svg+xml", include_bytes!("page/icon.svg")),
        asset("icon.png", "image/png", include_bytes!("page/icon.png")),
        asset(
            "manifest.webmanifest",
            "application/manifest+json",
            include_bytes!("page/manifest.webmanifest"),
        ),
    ]
});

fn asset(name: &'static str, kind: &'static str, bytes: &'static [u8]) -> Asset {
    Asset { name, kind: HeaderValue::from_static(kind), bytes, text: OnceLock::new() }
}

/// The page itself.
pub(super) fn index() -> &'static Asset {
    &INDEX
}

/// The file called `name` below `/assets/`.
pub(super) fn find(name: &str) -> Option<&'static Asset> {
    ASSETS.iter().find(|asset| asset.name == name)
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
    fn every_file_beside_the_page_is_embedded() {
        let files =
            std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/src/serve/page")).expect("the folder");
        for file in files {
            let name = file.expect("an entry").file_name().into_string().expect("a plain name");
            assert!(name == "index.html" || find(&name).is_some(), "{name} is not embedded");
        }
    }
}
