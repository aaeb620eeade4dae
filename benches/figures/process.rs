//! What a process costs: processor time and memory, from /proc (proc(5)).

use std::fs;

/// Processor time the process and its children now alive have used, in seconds, to 10 ms.
pub(crate) fn cpu_seconds(pid: u32) -> f64 {
    family(pid).map(own_cpu_seconds).sum()
}

/// The same of the process alone.
pub(crate) fn own_cpu_seconds(pid: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The second field, the name, stands in parentheses and may hold anything; utime and stime are the 14th
    // and 15th, in USER_HZ, which is 100 on every Linux.
    let (_, rest) = stat.rsplit_once(')').unwrap_or_default();
    let ticks = rest.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<f64>().ok());
    ticks.sum::<f64>() / 100.0
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

fn family(pid: u32) -> impl Iterator<Item = u32> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let children: Vec<u32> = children.split_whitespace().filter_map(|child| child.parse().ok()).collect();
    std::iter::once(pid).chain(children)
}
