//! `gohan`: the predecessor's name for `sdwan`, so that every command of its
//! users works as it stands. It becomes the `sdwan` that lies beside it, or
//! else the one in `PATH`; a second copy of the whole program would double
//! what is built and shipped.

use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

#[expect(clippy::print_stderr, reason = "errors belong on stderr")]
fn main() -> ExitCode {
    let beside = std::env::current_exe().map(|gohan| gohan.with_file_name("sdwan"));
    let sdwan = beside
        .ok()
        .filter(|sdwan| sdwan.is_file())
        .unwrap_or_else(|| "sdwan".into());
    let mut words = std::env::args_os();
    let name = words.next().unwrap_or_else(|| "gohan".into());
    // Only a failure comes back.
    let error = Command::new(&sdwan).arg0(name).args(words).exec();
    eprintln!(
        "gohan: {} can't be run: {error}: gohan is another name for sdwan and needs it in the \
         same folder or in PATH",
        sdwan.display()
    );
    ExitCode::FAILURE
}
