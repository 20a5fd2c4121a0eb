//! Generates the Rust code of `viperscale/v1` without a system protoc.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    const PROTO: &str = "viperscale/v1/telemetry.proto";
    println!("cargo:rerun-if-changed={PROTO}");
    let descriptors = protox::compile([PROTO], ["."])?;
    tonic_prost_build::configure().compile_fds(descriptors)?;
    Ok(())
}
