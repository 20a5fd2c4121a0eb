//! The formats of Viperscale that others may read: the gRPC contract between node agents and the
//! scaler (`viperscale/v1/telemetry.proto`), and recordings (`viperscale/v1/recording.proto`). The
//! files document every message, unit and error.

pub mod frugal;

/// Version 1 of both.
#[allow(missing_docs, clippy::all, unreachable_pub)]
pub mod v1 {
    tonic::include_proto!("viperscale.v1");
}
