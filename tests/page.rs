//! The embedded page by itself: it is whole, it loads nothing from elsewhere, a strict Content-Security-Policy suits
//! it, and its pure parts answer as their tables say (in Chromium). That it plays is seen with the server.

#[path = "support/website.rs"]
mod website;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The files we wrote ourselves, with their text; hls.js is another's.
fn ours() -> Vec<(String, String)> {
    fs::read_dir(Path::new(ROOT).join("src/serve/page"))
        .expect("the page's folder")
        .map(|entry| entry.expect("a file of the page").path())
        .filter(|path| !name(path).starts_with("hls."))
        .filter_map(|path| Some((name(&path), fs::read_to_string(&path).ok()?)))
        .collect()
}

fn name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

fn asset(name: &str) -> PathBuf {
    Path::new(ROOT).join("src/serve/page").join(name)
}

#[test]
fn everything_the_page_names_is_here() {
    let mut named = 0;
    for (file, text) in ours() {
        for start in ["/assets/", "from \"./"] {
            for rest in text.split(start).skip(1) {
                let end = rest.find(['"', '\'', ')']).expect("a name ends");
                let wanted = &rest[..end];
                let here = asset(wanted).is_file() || asset(&format!("{wanted}.gz")).is_file();
                assert!(here, "{file} names {wanted}, which is not there");
                named += 1;
            }
        }
    }
    assert!(named >= 10, "only {named} names found: the page is written differently now");
}

#[test]
fn nothing_is_loaded_from_elsewhere() {
    for (file, text) in ours() {
        let text = text.replace("http://www.w3.org/2000/svg", ""); // a name, never fetched
        for far in ["http://", "https://", "\"//", "@import"] {
            assert!(!text.contains(far), "{file} contains {far}");
        }
    }
}

#[test]
fn a_strict_content_security_policy_suits_it() {
    for (file, text) in ours() {
        for inline in
            [" style=", "<style", "<script>", " onclick", "javascript:", "eval(", "innerHTML", "new Function"]
        {
            assert!(!text.contains(inline), "{file} contains {inline}");
        }
    }
}

#[test]
fn the_page_stays_small_beside_its_player_library() {
    let size = |suffix: &str| -> usize {
        ours().iter().filter(|(file, _)| file.ends_with(suffix)).map(|(_, text)| text.len()).sum()
    };
    let own = size(".js") + size(".css");
    assert!(own < 100_000, "our scripts and styles: {own} bytes");
    let library = fs::metadata(asset("hls.light.min.js.gz")).expect("hls.js").len();
    assert!(library < 130_000, "hls.js: {library} bytes");
    let library = fs::metadata(asset("hls.min.js.gz")).expect("all of hls.js").len();
    assert!(library < 200_000, "all of hls.js, for those who want low delay: {library} bytes");
    assert!(asset("hls.LICENSE").is_file(), "its licence lies beside hls.js");
}

#[test]
fn the_tables_hold_in_chromium() {
    let address = website::serve(|path| match path {
        "/" => Path::new(ROOT).join("tests/page/index.html"),
        "/tests/cases.js" => Path::new(ROOT).join("tests/page/cases.js"),
        _ => asset(path.strip_prefix("/assets/").unwrap_or_default()),
    });
    let profile = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("page-{}", std::process::id()));
    let output = Command::new("chromium")
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
        .arg(format!("--user-data-dir={}", profile.display()))
        .args(["--dump-dom", "--timeout=20000"])
        .arg(format!("http://{address}/"))
        .env("TZ", "UTC")
        .output()
        .expect("chromium starts (Debian's package chromium)");
    drop(fs::remove_dir_all(&profile));
    let dom = String::from_utf8_lossy(&output.stdout);
    let outcome = dom.split("id=\"outcome\">").nth(1).and_then(|rest| rest.split("</pre>").next());
    let outcome =
        outcome.unwrap_or_else(|| panic!("no outcome: {dom}{}", String::from_utf8_lossy(&output.stderr)));
    assert!(outcome.ends_with("cases hold"), "{outcome}");
}
