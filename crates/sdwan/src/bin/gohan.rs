//! `gohan`: the predecessor's name for the same program, so that every command of
//! its users works as it stands.

fn main() -> std::process::ExitCode {
    sdwan::main()
}
