//! Generates the messages of `proto/etcd.proto`: in Rust alone, no `protoc`.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let proto = "proto/etcd.proto";
    println!("cargo:rerun-if-changed={proto}");
    let descriptors = protox::compile([proto], ["proto"])?;
    prost_build::Config::new()
        // It carries a password; src/etcd/wire.rs gives it a Debug that doesn't tell.
        .skip_debug([".etcd.AuthenticateRequest"])
        .compile_fds(descriptors)?;
    Ok(())
}
