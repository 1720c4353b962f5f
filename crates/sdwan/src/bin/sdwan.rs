//! `sdwan`: see the library of this crate.

fn main() -> std::process::ExitCode {
    sdwan::main()
}
