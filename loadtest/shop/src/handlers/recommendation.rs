//! Recommendations: a synchronous handler on a worker thread, interpreted code under one lock.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Query, State};
use axum::response::Response;
use axum::routing::get;
use rand::seq::IndexedRandom as _;
use serde::Deserialize;

use crate::catalog::Product;
use crate::deadline::Deadline;
use crate::failure::Failure;
use crate::role::Role;
use crate::shop::Shop;

/// Products that an answer names at most.
const RECOMMENDED: usize = 5;

pub(super) fn routes() -> Router<Arc<Shop>> {
    Router::new().route("/recommendations", get(recommend))
}

/// What the user sees already, ids separated by commas.
#[derive(Deserialize)]
struct Seen {
    #[serde(default)]
    products: String,
}

async fn recommend(
    State(shop): State<Arc<Shop>>,
    deadline: Deadline,
    Query(seen): Query<Seen>,
) -> Result<Response, Failure> {
    // The worker is taken for the whole request, the call to the catalog included; the interpreter is free meanwhile.
    shop.on_worker(deadline, move |shop| {
        let half = shop.work.scaled(0.5);
        shop.burn(half);
        let products: Vec<Product> =
            shop.wait_for(shop.client.get(Role::ProductCatalog, "/products", deadline))?;
        shop.burn(half);
        Ok(shop.answer(&choose(&products, &seen.products)))
    })
    .await
}

/// Some of the products that are not seen yet.
fn choose(products: &[Product], seen: &str) -> Vec<String> {
    let unseen: Vec<_> = products
        .iter()
        .filter(|product| seen.split(',').all(|id| id != product.id))
        .collect();
    unseen
        .choose_multiple(&mut rand::rng(), RECOMMENDED)
        .map(|product| product.id.clone())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::products;

    #[test]
    fn recommends_five_others() {
        let products = products();
        let chosen = choose(&products, "OLJCESPC7Z,66VCHSJNUP");
        assert_eq!(chosen.len(), 5);
        assert!(
            !chosen
                .iter()
                .any(|id| id == "OLJCESPC7Z" || id == "66VCHSJNUP")
        );
    }

    #[test]
    fn recommends_what_is_left() {
        let products = products();
        let seen: Vec<_> = products
            .iter()
            .skip(2)
            .map(|product| product.id.clone())
            .collect();
        assert_eq!(choose(&products, &seen.join(",")).len(), 2);
    }
}
