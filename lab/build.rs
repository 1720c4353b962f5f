//! Generates the messages of gobgpd's management API for the side that answers: `src/sim/serve`.
//! They are the client's own, so that both sides speak of the same fields.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = "../crates/gobgp/proto";
    let proto = format!("{folder}/gobgp.proto");
    println!("cargo:rerun-if-changed={proto}");
    let descriptors = protox::compile([&proto], [folder])?;
    prost_build::Config::new()
        .bytes(["."])
        .compile_fds(descriptors)?;
    Ok(())
}
