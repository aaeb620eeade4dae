//! Outpost without a sound card or a camera: its configuration, and what to open.

use std::fmt::Write as _;
use std::net::{SocketAddr, TcpListener};

use super::address::Reach;
use super::config::{Certificate, Config, HttpsSettings, Listen, default_state_dir};
use super::qr::qr;
use super::screen::Screen;

/// What the demo serves, as anyone would write it.
const STREAMS: &str = r#"
[[stream]]
name = "radio"
title = "Demo radio"
audio = { kind = "synth" }
low_latency = {}

[[stream]]
name = "camera"
title = "Demo camera"
video = { kind = "synth" }
rendition = [{ size = "640x360", bitrate = "600k" }]
audio = { kind = "synth", sound = "clapper" }
low_latency = {}
"#;

/// Two streams: `radio`, the embedded scanner, and `camera`, the test card with its clapper, in two sizes.
pub fn config(listen: Listen) -> Config {
    let written = Config::parse(STREAMS, "demo").expect("our own text");
    // A place of its own, so that trying the demo leaves a real Outpost's numbers alone.
    let state_dir = default_state_dir().join("demo");
    let https = HttpsSettings { listen: secured(listen), certificate: Certificate::Own };
    Config { listen, https: Some(https), state_dir, ..written }
}

/// Where HTTPS is served beside `listen`: at the usual port, or whichever is free if a real Outpost has that.
fn secured(listen: Listen) -> Listen {
    let usual = SocketAddr::new(listen.0.ip(), 8443);
    let is_free = usual.port() != listen.0.port() && TcpListener::bind(usual).is_ok();
    Listen(SocketAddr::new(listen.0.ip(), if is_free { usual.port() } else { 0 }))
}

/// What to open, told once it is being served. What a person opens comes last: a terminal of 24 rows still shows
/// it, and the whole code, above the first lines of the log.
pub fn banner(reach: &Reach, secured: Option<&Reach>, screen: Screen) -> String {
    let base = reach.best();
    let mut text = format!(
        "\nOutpost is on the air: a scanner and a camera that aren't there, live.\n\n\
        \x20 In a player      vlc {base}radio/index.m3u8\n\
        \x20                  vlc {base}camera/index.m3u8\n\
        \x20                  mpv, ffplay and gst-play-1.0 take the same addresses\n\
        \x20 Endless stream   {base}radio/live.ts\n\
        \x20 Status           {base}api/v1/status\n",
    );
    // Writing to a String cannot fail.
    if let Some(secured) = secured {
        let _ = writeln!(
            text,
            "  Over TLS         {}  (browsers will warn: nobody vouches for it)",
            secured.best()
        );
    }
    let _ = writeln!(text, "\n  On this machine  {}", reach.here);
    let _ = match &reach.network {
        Some(network) => writeln!(text, "  On a phone       {network}  (in the same network)"),
        None => writeln!(text, "  On a phone       not now: this address is for this machine alone"),
    };
    if let (Some(network), Screen::Terminal) = (&reach.network, screen) {
        text.push_str(&qr(network).unwrap_or_default());
    }
    text.push_str("\nCtrl-C ends it.\n\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_demo_leaves_a_real_outposts_state_alone() {
        let config = config(Listen::everywhere(8080));
        assert_eq!(config.state_dir, default_state_dir().join("demo"));
        let names: Vec<_> = config.streams.iter().map(|stream| stream.name.as_str()).collect();
        assert_eq!(names, ["radio", "camera"]);
    }

    #[test]
    fn the_banner_says_what_to_open() {
        let here = "http://localhost:8080/".to_owned();
        let network = Some("http://192.168.1.20:8080/".to_owned());
        let reach = Reach { here: here.clone(), network };
        let network = Some("https://192.168.1.20:8443/".to_owned());
        let secured = Reach { here: "https://localhost:8443/".to_owned(), network };
        assert_eq!(
            banner(&reach, Some(&secured), Screen::Plain),
            "
Outpost is on the air: a scanner and a camera that aren't there, live.

  In a player      vlc http://192.168.1.20:8080/radio/index.m3u8
                   vlc http://192.168.1.20:8080/camera/index.m3u8
                   mpv, ffplay and gst-play-1.0 take the same addresses
  Endless stream   http://192.168.1.20:8080/radio/live.ts
  Status           http://192.168.1.20:8080/api/v1/status
  Over TLS         https://192.168.1.20:8443/  (browsers will warn: nobody vouches for it)

  On this machine  http://localhost:8080/
  On a phone       http://192.168.1.20:8080/  (in the same network)

Ctrl-C ends it.

"
        );
        let shown = banner(&reach, None, Screen::Terminal);
        assert!(shown.contains('▀'));
        let from_address = shown.lines().skip_while(|line| !line.contains("On this machine")).count();
        assert!(from_address + 2 <= 24, "the log's first line, the cursor and these fit: {from_address}");
        let alone = banner(&Reach { here, network: None }, None, Screen::Terminal);
        assert!(alone.contains("vlc http://localhost:8080/radio/index.m3u8"));
        assert!(!alone.contains('▀'), "no code that a phone could not open");
    }
}
