//! Chromium on a phone's screen, driven by chromedriver.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use serde_json::{Value, json};

/// The screen of a common phone, in CSS pixels, and how many of its own pixels make one of these.
pub(crate) const SCREEN: (u32, u32) = (390, 844);
pub(crate) const DENSITY: u32 = 2;

/// How often a condition that is waited for is looked at.
const GLANCE: Duration = Duration::from_millis(200);

/// A browser with one tab, ended when dropped.
pub(crate) struct Browser {
    client: Client,
    driver: Driver,
}

impl Browser {
    /// Starts a browser whose profile lies in the folder `profile`, which is made.
    pub(crate) async fn start(profile: &Path) -> Self {
        let driver = Driver::start();
        let capabilities = json!({
            "goog:chromeOptions": {
                "args": [
                    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
                    "--disable-background-networking", "--disable-component-update", "--disable-sync",
                    format!("--user-data-dir={}", profile.display()),
                ],
                "mobileEmulation": {
                    "deviceMetrics": {
                        "width": SCREEN.0, "height": SCREEN.1, "pixelRatio": DENSITY, "touch": true,
                    },
                },
            },
            "goog:loggingPrefs": { "browser": "ALL" },
            // For the certificate that Outpost makes, nobody vouches.
            "acceptInsecureCerts": true,
        });
        let capabilities = capabilities.as_object().expect("written as an object").clone();
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities)
            .connect(&driver.address)
            .await
            .unwrap_or_else(|error| {
                panic!("Chromium does not start: {error}; .ci/setup test installs it (Debian: chromium)")
            });
        Self { client, driver }
    }

    pub(crate) async fn open(&self, url: &str) {
        self.client.goto(url).await.unwrap_or_else(|error| panic!("{url} does not open: {error}"));
    }

    pub(crate) async fn click(&self, selector: &str) {
        let button = self.client.find(Locator::Css(selector)).await;
        let button = button.unwrap_or_else(|error| panic!("no {selector}: {error}"));
        button.click().await.unwrap_or_else(|error| panic!("{selector} cannot be pressed: {error}"));
    }

    /// What the function body `script` returns in the page.
    pub(crate) async fn ask(&self, script: &str) -> Value {
        let answer = self.client.execute(script, Vec::new()).await;
        answer.unwrap_or_else(|error| panic!("the page cannot tell {script:?}: {error}"))
    }

    /// Waits until `script` returns true, and says how long that took.
    pub(crate) async fn wait_until(&self, script: &str, limit: Duration) -> Duration {
        let began = Instant::now();
        while self.ask(script).await != Value::Bool(true) {
            if began.elapsed() > limit {
                let page = self.ask("return document.body.innerText").await;
                let said = self.console();
                panic!("not within {limit:?}: {script}\nThe page reads: {page}\nIts console: {said:#?}");
            }
            tokio::time::sleep(GLANCE).await;
        }
        began.elapsed()
    }

    /// The screen as a PNG.
    pub(crate) async fn screenshot(&self) -> Vec<u8> {
        self.client.screenshot().await.expect("Chromium draws its screen")
    }

    /// What the page and the browser said in the console since last asked, worst things included: requests that
    /// failed, policies that were broken, scripts that threw.
    pub(crate) fn console(&self) -> Vec<String> {
        let said = self.ask_driver("se/log", &json!({ "type": "browser" }));
        let lines = said["value"].as_array().expect("chromedriver lists what was said");
        lines.iter().map(|line| format!("{} {}", line["level"], line["message"])).collect()
    }

    /// Runs `script` in every page opened from now on, before the page's own scripts.
    pub(crate) fn before_every_page(&self, script: &str) {
        let command = "Page.addScriptToEvaluateOnNewDocument";
        self.ask_driver("goog/cdp/execute", &json!({ "cmd": command, "params": { "source": script } }));
    }

    /// Gives it another screen: CSS pixels, and how many of its own make one of these.
    pub(crate) fn resize(&self, width: u32, height: u32, density: u32) {
        let params =
            json!({ "width": width, "height": height, "deviceScaleFactor": density, "mobile": width < 1000 });
        self.ask_driver(
            "goog/cdp/execute",
            &json!({ "cmd": "Emulation.setDeviceMetricsOverride", "params": params }),
        );
    }

    /// What is not in the W3C's protocol, and thus not in its client either.
    fn ask_driver(&self, path: &str, question: &Value) -> Value {
        let url = format!("{}/session/{}/{path}", self.driver.address, self.session());
        let output = Command::new("curl")
            .args(["--silent", "--show-error", "--fail", "--max-time", "10"])
            .args(["--json", &question.to_string(), &url])
            .output()
            .expect("curl runs (Debian: curl)");
        serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)))
    }

    fn session(&self) -> &str {
        self.client.session_creation_response().expect("this client began its session").session_id()
    }
}

/// A chromedriver on a port of its own choice.
struct Driver {
    child: Child,
    address: String,
}

impl Driver {
    fn start() -> Self {
        let mut child = Command::new("chromedriver")
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .unwrap_or_else(|error| {
                panic!(
                    "chromedriver does not start: {error}; .ci/setup test installs it (Debian: chromium-driver)"
                )
            });
        let said = BufReader::new(child.stdout.as_mut().expect("piped above")).lines().map_while(Result::ok);
        let address = said
            .filter_map(|line| {
                let port = line.split_once("successfully on port ")?.1.trim_end_matches('.').to_owned();
                Some(format!("http://127.0.0.1:{port}"))
            })
            .next()
            .expect("chromedriver says its port");
        Self { child, address }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // Chromium stays behind when chromedriver is killed alone; they are one process group.
        let group = i32::try_from(self.child.id()).expect("Linux counts processes in 22 bits");
        let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
        let _ = self.child.wait();
    }
}
