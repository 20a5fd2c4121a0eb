//! Generates the Rust code of `viperscale/v1` without a system protoc.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    const PROTOS: [&str; 2] = [
        "viperscale/v1/telemetry.proto",
        "viperscale/v1/recording.proto",
    ];
    for proto in PROTOS {
        println!("cargo:rerun-if-changed={proto}");
    }
    let descriptors = protox::compile(PROTOS, ["."])?;
    tonic_prost_build::configure()
        .codec_path("crate::frugal::FrugalCodec")
        .compile_fds(descriptors)?;
    Ok(())
}
