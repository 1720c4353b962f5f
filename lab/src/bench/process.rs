//! What the kernel says of a process: its CPU time and its memory.

use anyhow::{Context as _, Result};

/// CPU seconds of a process so far, all its threads, user and system.
///
/// # Errors
/// When it has ended.
pub fn cpu_seconds(id: u32) -> Result<f64> {
    let path = format!("/proc/{id}/stat");
    let stat = std::fs::read_to_string(&path).with_context(|| path.clone())?;
    // The name, in brackets, may hold anything; the fields that count follow it.
    let (_, fields) = stat
        .rsplit_once(") ")
        .with_context(|| format!("{path}: {stat}"))?;
    let ticks: u64 = fields
        .split(' ')
        .skip(11)
        .take(2)
        .map(str::parse::<u64>)
        .sum::<Result<u64, _>>()
        .with_context(|| format!("{path}: {stat}"))?;
    let per_second = nix::unistd::sysconf(nix::unistd::SysconfVar::CLK_TCK)?
        .context("this system has no clock ticks")?;
    #[expect(clippy::cast_precision_loss, reason = "a run is no century")]
    Ok(ticks as f64 / per_second as f64)
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
