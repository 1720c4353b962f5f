//! What the lab shows: on stdout, in colour and with live progress only on a terminal.

use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

/// The width that headings and durations keep to.
const WIDTH: usize = 78;

/// Whether stdout is a terminal that may be coloured and rewritten.
fn on_terminal() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none()
}

/// Colours and weights, by what they mean here.
#[derive(Clone, Copy, Debug)]
pub enum Style {
    /// A heading.
    Heading,
    /// A command as typed.
    Command,
    /// Something that holds.
    Good,
    /// Something that doesn't.
    Bad,
    /// Something going on.
    Busy,
    /// Beside the point.
    Faint,
}

/// `text` in a style, where there is a terminal to show it.
#[must_use]
pub fn styled(style: Style, text: &str) -> String {
    let code = match style {
        Style::Heading => "1;36",
        Style::Command => "1",
        Style::Good => "32",
        Style::Bad => "1;31",
        Style::Busy => "33",
        Style::Faint => "2",
    };
    if on_terminal() {
        format!("\x1b[{code}m{text}\x1b[0m")
    } else {
        text.to_owned()
    }
}

/// One line, or several.
pub fn line(text: &str) {
    // Nobody reading is no reason to fail.
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// A heading with a rule.
pub fn heading(text: &str) {
    let rule = "━".repeat(WIDTH.saturating_sub(text.chars().count() + 4));
    line(&format!(
        "\n{}\n",
        styled(Style::Heading, &format!("━━ {text} {rule}"))
    ));
}

/// A command as the reader could type it, after its prompt.
pub fn command(prompt: &str, text: &str) {
    line(&format!(
        "{} {}",
        styled(Style::Faint, prompt),
        styled(Style::Command, text)
    ));
}

/// Something that holds, and how long it took.
pub fn good(text: &str, took: Option<Duration>) {
    let took = took
        .map(|took| format!("{:.1} s", took.as_secs_f64()))
        .unwrap_or_default();
    let gap = WIDTH
        .saturating_sub(text.chars().count() + took.len() + 2)
        .max(1);
    let (mark, took) = (styled(Style::Good, "✓"), styled(Style::Faint, &took));
    line(format!("{mark} {text}{}{took}", " ".repeat(gap)).trim_end());
}

/// Something that doesn't hold.
pub fn bad(text: &str) {
    line(&format!("{} {text}", styled(Style::Bad, "✗")));
}

/// Beside the point.
pub fn note(text: &str) {
    line(&styled(Style::Faint, text));
}

/// What is being waited for.
pub fn waiting(what: &str) {
    line(&format!(
        "{} {}",
        styled(Style::Busy, "…"),
        styled(Style::Faint, &format!("waiting for {what}"))
    ));
}

/// How long it has been waited, and what is there so far: one line that replaces itself.
pub fn progress(waited: Duration, seen: &str) {
    if !on_terminal() {
        return;
    }
    let spinner = ["⠋", "⠙", "⠸", "⠴", "⠦", "⠇"];
    let turn = usize::try_from(waited.as_millis() / 100).unwrap_or(0) % spinner.len();
    let text = format!("{} s: {seen}", waited.as_secs());
    let text: String = text.chars().take(WIDTH).collect();
    let mark = styled(Style::Busy, spinner[turn]);
    let _ = write!(std::io::stdout(), "\r\x1b[2K{mark} {text}");
    let _ = std::io::stdout().flush();
}

/// Takes the progress line away.
pub fn progress_over() {
    if on_terminal() {
        let _ = write!(std::io::stdout(), "\r\x1b[2K");
        let _ = std::io::stdout().flush();
    }
}
