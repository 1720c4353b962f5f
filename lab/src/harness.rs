//! How a test gets a world of its own: it runs itself again inside of one.
//!
//! So `cargo test -p sdwan-lab` works as it is, tests run side by side with the same names and
//! addresses, and whatever a test leaves behind goes with its world.
//!
//! ```ignore
//! #[test]
//! fn gobgpd_starts() {
//!     harness::inside(env!("CARGO_BIN_EXE_lab"), || {
//!         let wan = Wan::up(Release::V4_8)?;
//!         // ...
//!         Ok(())
//!     });
//! }
//! ```

use std::any::type_name_of_val;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};

use crate::tools::Release;
use crate::{term, world};

/// Runs a test's body in a world of its own. To be called by the test function itself, with a
/// closure: the closure's name tells which test to run again. `lab` is the lab's program.
///
/// # Panics
/// When the body fails or panics; the daemons' logs are kept then, and the message says where.
pub fn inside(lab: &str, body: impl FnOnce() -> Result<()>) {
    if !world::is_inside() {
        return run_again(lab, test_name(type_name_of_val(&body)));
    }
    let outcome = catch_unwind(AssertUnwindSafe(body));
    if !matches!(outcome, Ok(Ok(()))) {
        keep_logs();
    }
    match outcome {
        Ok(Ok(())) => {}
        Ok(Err(error)) => panic!("{error:?}"),
        Err(panic) => resume_unwind(panic),
    }
}

/// The same for a body that is a future.
///
/// # Panics
/// As [`inside`] does.
pub fn inside_async<F: Future<Output = Result<()>>>(lab: &str, body: impl FnOnce() -> F) {
    if !world::is_inside() {
        return run_again(lab, test_name(type_name_of_val(&body)));
    }
    inside(lab, || tokio::runtime::Runtime::new()?.block_on(body()));
}

/// Runs a test's body on each of these releases, each in a world of its own, side by side. `test`
/// is [`test_of`] the closure that the test function made.
///
/// # Panics
/// As [`inside`] does, with every release that failed.
pub fn on_each(
    lab: &str,
    test: &str,
    releases: &[Release],
    body: impl FnOnce(Release) -> Result<()>,
) {
    if world::is_inside() {
        return inside(lab, || {
            let release = std::env::var(RELEASE).context("which release?")?;
            body(release.parse().map_err(anyhow::Error::msg)?)
        });
    }
    std::thread::scope(|scope| {
        let runs: Vec<_> = releases
            .iter()
            .map(|release| {
                scope.spawn(move || run_again_with(lab, test, &[(RELEASE, release.name())]))
            })
            .collect();
        let outcomes = releases.iter().zip(runs).map(|(release, run)| {
            let outcome = run.join().unwrap_or_else(|panic| resume_unwind(panic));
            outcome.map_err(|error| format!("on gobgpd {release}: {error}"))
        });
        let failed: Vec<_> = outcomes.filter_map(Result::err).collect();
        assert!(failed.is_empty(), "{}", failed.join("\n"));
    });
}

/// Tells a test which release its world is for.
const RELEASE: &str = "SDWAN_LAB_RELEASE";

/// The test function that made this closure.
pub fn test_of<T>(_closure: &T) -> &'static str {
    test_name(std::any::type_name::<T>())
}

/// A number from the environment, by which a test is made longer or other than it is.
///
/// # Errors
/// When there is something else in the variable.
pub fn number(variable: &str, default: u32) -> Result<u32> {
    match std::env::var(variable) {
        Ok(text) => text
            .parse()
            .with_context(|| format!("{variable} is a number")),
        Err(_) => Ok(default),
    }
}

/// Tells where the daemons' logs are kept of a lab that failed.
pub fn keep_logs() {
    match world::save_logs() {
        Ok(folder) => term::note(&format!(
            "The daemons' logs are kept in {}",
            folder.display()
        )),
        Err(error) => term::bad(&format!("the daemons' logs are lost: {error:#}")),
    }
}

fn run_again(lab: &str, test: &str) {
    if let Err(error) = run_again_with(lab, test, &[]) {
        panic!("{error}");
    }
}

fn run_again_with(lab: &str, test: &str, environment: &[(&str, &str)]) -> Result<(), String> {
    let own = std::env::current_exe().unwrap_or_else(|error| panic!("who am I: {error}"));
    let mut command = Command::new(lab);
    command.arg("exec").arg("--").arg(own);
    command.args([test, "--exact", "--nocapture", "--include-ignored"]);
    command.envs(environment.iter().copied());
    let output = command.stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|error| panic!("cannot start {lab}: {error}"));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    if output.status.success() && out.contains("1 passed") {
        return Ok(());
    }
    let status = output.status;
    Err(format!(
        "{test}, in a world of its own: {status}\n{out}{err}"
    ))
}

/// `crate::module::test::{{closure}}` belongs to the test `module::test`.
fn test_name(closure: &str) -> &str {
    let path = closure.split_once("::").map_or(closure, |(_, rest)| rest);
    path.split_once("::{{closure}}")
        .map_or(path, |(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closure_tells_its_test() {
        let closure = || ();
        assert_eq!(
            test_name(type_name_of_val(&closure)),
            "harness::tests::a_closure_tells_its_test"
        );
    }
}
