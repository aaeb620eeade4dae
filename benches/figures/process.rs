//! What a process costs: processor time, from its clock (clock_getcpuclockid(3)), and memory, from /proc
//! (proc(5)).

use std::fs;
use std::time::Duration;

use nix::time::{ClockId, clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;

/// Processor time the process and its children now alive have used, in seconds.
pub(crate) fn cpu_seconds(pid: u32) -> f64 {
    family(pid).map(own_cpu_seconds).sum()
}

/// The same of the process alone; not a number if it is gone.
pub(crate) fn own_cpu_seconds(pid: u32) -> f64 {
    let time = clock_getcpuclockid(Pid::from_raw(pid.cast_signed())).and_then(clock_gettime);
    time.map_or(f64::NAN, |time| Duration::from(time).as_secs_f64())
}

/// Proportional set size of the process and its children now alive, in KiB: memory shared with others counts
/// by its share. Not a number if the process is gone.
pub(crate) fn pss_kib(pid: u32) -> f64 {
    family(pid).map(own_pss_kib).sum()
}

/// The same of the process alone.
pub(crate) fn own_pss_kib(pid: u32) -> f64 {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let pss = rollup.lines().find_map(|line| line.strip_prefix("Pss:"));
    pss.and_then(|pss| pss.trim().strip_suffix("kB")?.trim().parse().ok()).unwrap_or(f64::NAN)
}

/// Processor time this thread has used.
pub(crate) fn thread_time() -> nix::Result<Duration> {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map(Duration::from)
}

fn family(pid: u32) -> impl Iterator<Item = u32> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let children: Vec<u32> = children.split_whitespace().filter_map(|child| child.parse().ok()).collect();
    std::iter::once(pid).chain(children)
}
