//! The gRPC contract between node agents and the scaler, generated from
//! `viperscale/v1/telemetry.proto`, which documents every message, unit and error.

/// Version 1 of the contract.
#[allow(missing_docs, clippy::all, unreachable_pub)]
pub mod v1 {
    tonic::include_proto!("viperscale.v1");
}
