//! What the kernel says of a process: its CPU time and its memory.

use anyhow::{Context as _, Result};
use std::time::Duration;

/// CPU seconds of a process so far, user and system, of all threads that live:
/// to the nanosecond, which `/proc/PID/stat` is not.
///
/// # Errors
/// When it has ended.
pub fn cpu_seconds(id: u32) -> Result<f64> {
    let folder = format!("/proc/{id}/task");
    let mut nanoseconds = 0_u64;
    for thread in std::fs::read_dir(&folder).with_context(|| folder.clone())? {
        let path = thread?.path().join("schedstat");
        // One may end while they are read.
        let Ok(text) = std::fs::read_to_string(&path) else {
            continue;
        };
        let first = text.split_whitespace().next();
        let ran = first.with_context(|| format!("{}: {text}", path.display()))?;
        nanoseconds += ran.parse::<u64>()?;
    }
    Ok(Duration::from_nanos(nanoseconds).as_secs_f64())
}

/// Resident memory of a process now, in MiB.
///
/// # Errors
/// When it has ended.
pub fn resident_mib(id: u32) -> Result<f64> {
    let path = format!("/proc/{id}/status");
    let status = std::fs::read_to_string(&path).with_context(|| path.clone())?;
    let kib: f64 = status
        .lines()
        .find_map(|line| {
            line.strip_prefix("VmRSS:")?
                .split_whitespace()
                .next()?
                .parse()
                .ok()
        })
        .with_context(|| format!("{path} has no VmRSS"))?;
    Ok(kib / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_used_cpu_and_memory() {
        let id = std::process::id();
        let before = cpu_seconds(id).unwrap();
        let start = std::time::Instant::now();
        while cpu_seconds(id).unwrap() == before {
            assert!(start.elapsed().as_secs() < 60, "no CPU time is counted");
        }
        assert!(resident_mib(id).unwrap() > 1.0);
    }
}
