//! The formats of Viperscale that others may read: the gRPC contract between node agents and the
//! scaler (`viperscale/v1/telemetry.proto`), and recordings (`viperscale/v1/recording.proto`). The
//! files document every message, unit and error.

pub mod frugal;

/// The header of the scaler's answer to a stream that says which scaler it is: other for each process,
/// the same for all of its addresses. Printable ASCII.
pub const SCALER: &str = "viperscale-scaler";

/// Version 1 of both.
#[allow(missing_docs, clippy::all, unreachable_pub)]
pub mod v1 {
    tonic::include_proto!("viperscale.v1");
}
