//! Generates the messages of `proto/gobgp.proto`: in Rust alone, no `protoc`.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let proto = "proto/gobgp.proto";
    println!("cargo:rerun-if-changed={proto}");
    let descriptors = protox::compile([proto], ["proto"])?;
    prost_build::Config::new()
        .bytes(["."])
        // These carry passwords; src/wire.rs gives them a Debug that doesn't tell.
        .skip_debug([
            ".gobgp.PeerConf",
            ".gobgp.AddPeerRequest",
            ".gobgp.ListPeerResponse",
            ".gobgp.UpdatePeerRequest",
            ".gobgp.WatchEventResponse.PeerEvent",
        ])
        .compile_fds(descriptors)?;
    Ok(())
}
