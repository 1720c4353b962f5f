//! Asking the person at the terminal for a secret.

use nix::sys::signal::{SigSet, SigmaskHow, Signal};
use secrecy::SecretString;
use std::io::IsTerminal as _;

/// A secret that the person at the terminal types; nothing where nobody sits
/// there, or nothing is typed.
pub(crate) fn asked(question: &str) -> Option<SecretString> {
    let there = std::io::stdin().is_terminal();
    let typed = there.then(|| uninterrupted(|| rpassword::prompt_password(question).ok()))??;
    (!typed.is_empty()).then(|| typed.into())
}

/// Lets Ctrl-C end the process only when this is over. The prompt raises the
/// signal itself, before it has made the terminal again what it was.
fn uninterrupted<T>(prompt: impl FnOnce() -> T) -> T {
    let interrupt = SigSet::from(Signal::SIGINT);
    let before = interrupt.thread_swap_mask(SigmaskHow::SIG_BLOCK);
    let answer = prompt();
    if let Ok(before) = before {
        // It can fail for no mask that the system has given.
        let _ = before.thread_set_mask();
    }
    answer
}
