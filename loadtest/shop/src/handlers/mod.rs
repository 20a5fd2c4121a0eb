//! What each role does with a request.

mod backends;
mod carts;
mod checkout;
mod frontend;
mod recommendation;

use std::sync::Arc;

use axum::Router;

use crate::role::Role;
use crate::shop::Shop;

/// Routes of one role, without health and counts.
pub(crate) fn routes(role: Role) -> Router<Arc<Shop>> {
    match role {
        Role::Frontend => frontend::routes(),
        Role::Recommendation => recommendation::routes(),
        Role::ProductCatalog => backends::catalog(),
        Role::Currency => backends::currency(),
        Role::Cart => carts::service(),
        Role::RedisCart => carts::store(),
        Role::Checkout => checkout::routes(),
        Role::Shipping => backends::shipping(),
        Role::Payment => backends::payment(),
        Role::Email => backends::email(),
        Role::Ad => backends::ads(),
    }
}
