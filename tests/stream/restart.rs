//! Killed and started again, with whatever is left of its state: numbers never go back.

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::station::{Station, after_last, until};

/// What becomes of the state between two runs, and what the second run says of it.
struct Case {
    name: &'static str,
    spoil: fn(&Path),
    told: Option<&'static str>,
}

const CASES: [Case; 4] = [
    Case { name: "kept", spoil: |_| {}, told: None },
    Case {
        name: "deleted",
        spoil: |state| fs::remove_file(state.join("sequence.json")).expect("it was there"),
        told: None,
    },
    Case {
        name: "garbage",
        spoil: |state| fs::write(state.join("sequence.json"), "\0{\"radio").expect("it can be written"),
        told: Some("cannot read the sequence numbers"),
    },
    Case {
        // Root may write everywhere: but a file cannot be made where a folder is.
        name: "unwritable",
        spoil: |state| fs::create_dir(state.join("sequence.unfinished")).expect("a folder"),
        told: Some("cannot save the sequence numbers"),
    },
];

#[test]
fn numbers_never_go_back() {
    std::thread::scope(|scope| {
        for case in &CASES {
            scope.spawn(|| killed_and_started_again(case));
        }
    });
}

fn killed_and_started_again(Case { name, spoil, told }: &Case) {
    let mut station = Station::scanner(&format!("restart-{name}"), "");
    let segments = |station: &Station| {
        until("three segments", Duration::from_secs(10), || {
            Some(station.playlist("radio")).filter(|playlist| playlist.segments.len() >= 3)
        })
    };
    let mut before = segments(&station);
    assert!(before.segments[0].discontinuity, "{name}: the first segment of all");
    // Twice: a run that could not write its numbers is followed by one that cannot either.
    for round in 0..2 {
        station.kill();
        if round == 0 {
            spoil(station.dir());
        }
        station.start_again();
        let after = segments(&station);
        assert!(after.media_sequence >= after_last(&before), "{name}: {before:?}\n{after:?}");
        assert!(after.segments[0].discontinuity, "{name}: timestamps begin anew");
        // The tag on the first segment was not counted yet.
        assert!(after.discontinuity_sequence >= before.discontinuity_sequence, "{name}");
        let log = station.log();
        let warnings: Vec<_> = log.lines().filter(|line| line.contains("WARN")).collect();
        match told {
            Some(told) if round == 0 || *name == "unwritable" => {
                assert!(warnings.len() == 1 && warnings[0].contains(told), "{name}: {log}");
                assert!(warnings[0].contains("sequence.json"), "{name}: {log}");
            }
            _ => assert!(warnings.is_empty(), "{name}: {log}"),
        }
        before = after;
    }
}
