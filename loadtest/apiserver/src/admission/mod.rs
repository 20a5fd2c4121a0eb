//! What happens to an object between the request and the store: defaults, then validation, then
//! allocation of what only the server can give (service addresses).

mod api_service;
mod autoscaler;
mod defaults;
mod pod_defaults;
mod service;
mod validation;

pub(crate) use defaults::apply_defaults;
pub(crate) use service::allocate_address;
pub(crate) use validation::{admit_status, validate, validate_replicas, validate_update};
