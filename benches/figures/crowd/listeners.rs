//! Those who listen in the ordinary way: each asks for the playlist once in a target duration, and fetches what is new.

use std::error::Error;
use std::io;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::{Crowd, Floor};
use crate::table::Row;

const CROWD: Crowd = Crowd {
    name: "listeners",
    members: 5_000,
    path: "/radio/audio/index.m3u8",
    configuration: "connections = 6000
[[stream]]
name = \"radio\"
audio = { kind = \"synth\", bitrate = \"64k\" }
window = { length = \"12s\" }
",
    watched: Duration::from_secs(30),
};

/// A segment is late that is not there two target durations after its end. A player begins three of them behind live
/// (RFC 8216, 6.3.3): that long after its beginning, at the earliest, a segment is to be heard.
pub(super) fn rows(dir: &Path) -> Result<Vec<Row>, Box<dyn Error>> {
    let outcome = CROWD.run(dir, listen)?;
    let (late, all) = outcome.late(2.0 * outcome.told.target);
    let name = "5,000 listeners of 64 kbit/s, one core";
    let row = Row::limit(name, 0.0, late as f64, &format!("of {all} late"))
        .with_peer("median", outcome.percentile(50), "ms after capture")
        .with_peer("slowest", outcome.percentile(100), "ms")
        .with_peer("CPU per second", outcome.cpu * 1e3, "ms");
    Ok(vec![row, Row::limit("the same, memory (PSS) for each", 12.0, outcome.each, "KiB")])
}

async fn listen(floor: Rc<Floor>) -> io::Result<()> {
    let (path, folder) = (floor.crowd.path, floor.crowd.path.trim_end_matches("index.m3u8"));
    let mut connection = floor.connect().await?;
    let mut newest = None;
    loop {
        let begun = Instant::now();
        let told = floor.shared.read(connection.body(path).await?)?;
        let before = newest;
        let behind = told.segments.len().saturating_sub(3);
        for segment in told.segments.iter().skip(behind).filter(|segment| Some(segment.place) > before) {
            connection.load(&format!("{folder}{}", segment.name)).await?;
            floor.came(segment.place);
            newest = Some(segment.place);
        }
        // Half as long where nothing was new (RFC 8216, 6.3.4).
        let pause = if newest == before { told.target / 2.0 } else { told.target };
        sleep_until(begun + Duration::from_secs_f64(pause)).await;
    }
}
