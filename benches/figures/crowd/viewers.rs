//! Those who look on with low latency: each waits for the next part to be listed, and fetches it.

use std::error::Error;
use std::io;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use super::{Crowd, Floor};
use crate::table::Row;

const CROWD: Crowd = Crowd {
    name: "viewers in parts of 200 ms",
    members: 1_000,
    path: "/tower/ll/video/index.m3u8",
    configuration: "connections = 2000
[[stream]]
name = \"tower\"
video = { kind = \"synth\", size = \"320x180\", rate = 30, bitrate = \"300k\" }
low_latency = { part = \"200ms\", length = \"12s\" }
window = { length = \"12s\" }
",
    watched: Duration::from_secs(60),
};

/// A part is late that is not there one PART-TARGET after its last picture was due to be captured: until then its
/// player shows what it has, with three of them in hand (rfc8216bis, 4.4.3.8).
pub(super) fn rows(dir: &Path) -> Result<Vec<Row>, Box<dyn Error>> {
    let outcome = CROWD.run(dir, view)?;
    let (late, all) = outcome.late(outcome.told.part_target);
    let row = Row::limit(
        "1,000 viewers of parts, 300 kbit/s, one core",
        0.0,
        late as f64,
        &format!("of {all} late"),
    );
    Ok(vec![
        row.with_peer("median", outcome.percentile(50), "ms after capture")
            .with_peer("slowest", outcome.percentile(100), "ms")
            .with_peer("CPU per second", outcome.cpu * 1e3, "ms")
            .with_peer("memory each", outcome.each, "KiB"),
    ])
}

async fn view(floor: Rc<Floor>) -> io::Result<()> {
    let (path, folder) = (floor.crowd.path, floor.crowd.path.trim_end_matches("index.m3u8"));
    let mut connection = floor.connect().await?;
    let mut told = floor.shared.read(connection.body(path).await?)?;
    let mut newest = told.parts.last().map(|part| part.place);
    loop {
        let next = told.hint.and_then(|(segment, part)| Some((segment, part?)));
        let (segment, part) = next.ok_or_else(|| io::Error::other("the playlist tells of no next part"))?;
        let query = format!("{path}?_HLS_msn={segment}&_HLS_part={part}&_HLS_skip=YES");
        told = floor.shared.read(connection.body(&query).await?)?;
        let before = newest;
        for part in told.parts.iter().filter(|part| Some(part.place) > before) {
            connection.load(&format!("{folder}{}", part.name)).await?;
            floor.came(part.place);
            newest = Some(part.place);
        }
    }
}
