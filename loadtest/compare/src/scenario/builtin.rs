//! The scenarios and the policies that the program carries.

use rust_embed::Embed;

/// `loadtest/scenarios/*.yaml`.
#[derive(Embed)]
#[folder = "../scenarios"]
pub(super) struct Scenarios;

/// `policies/*.yaml`.
#[derive(Embed)]
#[folder = "../../policies"]
pub(super) struct Policies;
