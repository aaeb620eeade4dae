//! A station whose keys are guarded: the page plays by a signed address, keeps that from station to station, and says
//! so where it is not let in.

use std::fs;
use std::process::Command;

use crate::chromium::Browser;
use crate::outpost_program::Outpost;
use crate::{PATIENCE, PLAYS, alone, profile, temporary};

const STREAMS: &str = r#"
[[stream]]
name = "closed"
audio.kind = "synth"
encryption = {}
access.token = "0123456789abcdef"

[[stream]]
name = "open"
audio.kind = "synth"
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_keeps_its_pass_and_says_where_it_is_not_let_in() {
    let _alone = alone().await;
    let (state, profile) = (temporary("closed-state"), profile("closed"));
    let config = state.join("outpost.toml");
    fs::write(&config, STREAMS).expect("a file");
    let file = config.to_str().expect("text");
    let signed = Command::new(env!("CARGO_BIN_EXE_outpost"))
        .args(["sign", "closed", "--for", "1h", "--config", file])
        .output();
    let signed = String::from_utf8(signed.expect("outpost starts").stdout).expect("text");
    let pass = signed.trim().split_once('?').unwrap_or_else(|| panic!("no pass: {signed}")).1.to_owned();
    let outpost = Outpost::start(&["run", file], &[], &state);
    let browser = Browser::start(&profile).await;

    let says = |state: &str, words: &str| {
        format!(
            "return document.documentElement.dataset.state === '{state}'
                && document.getElementById('sentence').textContent.startsWith('{words}')
                && document.getElementById('play').dataset.act === 'listen'"
        )
    };
    let there = |name: &str| format!("return document.title.startsWith('{name} ')");
    for (query, told) in [
        ("".to_owned(), says("locked", "This station needs a key: ask whoever runs this box")),
        (format!("?{pass}0"), says("expired", "This address has expired: ask whoever runs this box")),
    ] {
        browser.open(&outpost.url(&format!("/closed{query}"))).await;
        browser.wait_until(&there("closed"), PATIENCE).await;
        browser.click("#play").await;
        browser.wait_until(&told, PATIENCE).await;
    }
    browser.open(&outpost.url(&format!("/closed?{pass}"))).await;
    browser.wait_until(&there("closed"), PATIENCE).await;
    browser.click("#play").await;
    browser.wait_until(PLAYS, PATIENCE).await;
    for name in ["open", "closed"] {
        browser.click(&format!("#stations a[href^='/{name}']")).await;
        browser.wait_until(&there(name), PATIENCE).await;
        browser.wait_until(&format!("return location.search === '?{pass}'"), PATIENCE).await;
        browser.wait_until(PLAYS, PATIENCE).await;
    }
}
