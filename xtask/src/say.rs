//! What the tasks tell the person who runs them: on stderr, short, in colour only on a terminal.

use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

/// Whether stderr is a terminal that may be coloured and rewritten.
pub(crate) fn on_terminal() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none()
}

/// One line.
pub(crate) fn line(text: &str) {
    // A closed stderr is no reason to stop the task.
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// The heading of a part of a longer task.
pub(crate) fn heading(text: &str) {
    line(&format!("\n{}", style("1;36", &format!("━━ {text}"))));
}

/// Something that went well, and how long it took.
pub(crate) fn success(text: &str, took: Duration) {
    let took = style("2", &seconds(took));
    line(&format!("{} {text}  {took}", style("32", "✓")));
}

/// Something that went wrong.
pub(crate) fn failure(text: &str) {
    line(&format!("{} {text}", style("1;31", "✗")));
}

/// Something that goes on for a while; only on a terminal, and replaced by the next line.
pub(crate) fn progress(text: &str) {
    if on_terminal() {
        let _ = write!(std::io::stderr(), "\r\x1b[2K{} {text}", style("33", "…"));
        let _ = std::io::stderr().flush();
    }
}

/// Takes the last progress line away.
pub(crate) fn progress_over() {
    if on_terminal() {
        let _ = write!(std::io::stderr(), "\r\x1b[2K");
    }
}

/// A duration as a person reads it.
pub(crate) fn seconds(took: Duration) -> String {
    let seconds = took.as_secs();
    if seconds < 60 {
        format!("{:.1} s", took.as_secs_f64())
    } else {
        format!("{} min {:02} s", seconds / 60, seconds % 60)
    }
}

fn style(code: &str, text: &str) -> String {
    if on_terminal() {
        format!("\x1b[{code}m{text}\x1b[0m")
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_well() {
        assert_eq!(seconds(Duration::from_millis(340)), "0.3 s");
        assert_eq!(seconds(Duration::from_secs(125)), "2 min 05 s");
    }
}
