//! Orders: the cart's items are priced, charged, shipped and confirmed.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::post;
use http::Method;
use serde_json::json;

use crate::catalog::{CartItem, Money, Product};
use crate::deadline::Deadline;
use crate::failure::Failure;
use crate::role::Role;
use crate::shop::Shop;

pub(super) fn routes() -> Router<Arc<Shop>> {
    Router::new().route("/orders/{user}", post(place_order))
}

async fn place_order(
    State(shop): State<Arc<Shop>>,
    deadline: Deadline,
    Path(user): Path<String>,
) -> Result<Response, Failure> {
    shop.perform(shop.work, deadline).await?;
    let client = &shop.client;
    let cart = format!("/carts/{user}");

    let items: Vec<CartItem> = client.get(Role::Cart, &cart, deadline).await?;
    let mut cents = 0_u64;
    for item in &items {
        let path = format!("/products/{}", item.product_id);
        let product: Product = client.get(Role::ProductCatalog, &path, deadline).await?;
        let path = format!("/convert?cents={}&to=USD", product.price_cents);
        let price: Money = client.get(Role::Currency, &path, deadline).await?;
        cents = cents.saturating_add(price.cents.saturating_mul(item.quantity.into()));
    }
    let quote: Money = client.get(Role::Shipping, "/quote", deadline).await?;
    let path = format!("/convert?cents={}&to=USD", quote.cents);
    let postage: Money = client.get(Role::Currency, &path, deadline).await?;
    let total = Money {
        currency: "USD".into(),
        cents: cents.saturating_add(postage.cents),
    };

    client
        .send(Role::Payment, Method::POST, "/charges", &total, deadline)
        .await?;
    client
        .send(Role::Shipping, Method::POST, "/shipments", &items, deadline)
        .await?;
    client
        .send(Role::Cart, Method::DELETE, &cart, &(), deadline)
        .await?;
    client
        .send(
            Role::Email,
            Method::POST,
            "/confirmations",
            &total,
            deadline,
        )
        .await?;
    Ok(shop.answer(&json!({"order_id": "DEMO-1", "items": items, "total": total})))
}
