//! Roles that call nobody: catalog, currency, shipping, payment, email, ads.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use axum::routing::{get, post};
use serde::Deserialize;
use serde_json::json;

use crate::catalog::{self, Money};
use crate::deadline::Deadline;
use crate::failure::Failure;
use crate::shop::Shop;

/// Currencies and how many of each a hundred US dollars buy.
const CURRENCIES: [(&str, u64); 6] = [
    ("USD", 100),
    ("EUR", 88),
    ("CAD", 134),
    ("JPY", 11_141),
    ("GBP", 76),
    ("TRY", 543),
];

pub(super) fn catalog() -> Router<Arc<Shop>> {
    Router::new()
        .route("/products", get(list_products))
        .route("/products/{id}", get(get_product))
}

async fn list_products(
    State(shop): State<Arc<Shop>>,
    deadline: Deadline,
) -> Result<Response, Failure> {
    shop.perform(shop.work, deadline).await?;
    Ok(shop.answer(&catalog::products()))
}

async fn get_product(
    State(shop): State<Arc<Shop>>,
    deadline: Deadline,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    shop.perform(shop.work, deadline).await?;
    let product = catalog::product(&id).ok_or(Failure::NotFound {
        what: "product",
        name: id,
    })?;
    Ok(shop.answer(&product))
}

pub(super) fn currency() -> Router<Arc<Shop>> {
    Router::new()
        .route("/currencies", get(list_currencies))
        .route("/convert", get(convert))
}

async fn list_currencies(
    State(shop): State<Arc<Shop>>,
    deadline: Deadline,
) -> Result<Response, Failure> {
    shop.perform(shop.work, deadline).await?;
    Ok(shop.answer(&CURRENCIES.map(|(name, _)| name)))
}

/// An amount in US dollars, to be had in another currency.
#[derive(Deserialize)]
struct Conversion {
    cents: u64,
    to: String,
}

async fn convert(
    State(shop): State<Arc<Shop>>,
    deadline: Deadline,
    Query(conversion): Query<Conversion>,
) -> Result<Response, Failure> {
    shop.perform(shop.work, deadline).await?;
    let Conversion { cents, to } = conversion;
    let Some((_, rate)) = CURRENCIES.iter().find(|(name, _)| *name == to) else {
        return Err(Failure::NotFound {
            what: "currency",
            name: to,
        });
    };
    Ok(shop.answer(&Money {
        cents: cents.saturating_mul(*rate) / 100,
        currency: to,
    }))
}

pub(super) fn shipping() -> Router<Arc<Shop>> {
    Router::new()
        .route("/quote", get(quote))
        .route("/shipments", post(ship))
}

async fn quote(State(shop): State<Arc<Shop>>, deadline: Deadline) -> Result<Response, Failure> {
    shop.perform(shop.work, deadline).await?;
    Ok(shop.answer(&Money {
        currency: "USD".into(),
        cents: 899,
    }))
}

async fn ship(State(shop): State<Arc<Shop>>, deadline: Deadline) -> Result<Response, Failure> {
    shop.perform(shop.work, deadline).await?;
    Ok(shop.answer(&json!({"tracking_id": "DEMO-1"})))
}

pub(super) fn payment() -> Router<Arc<Shop>> {
    Router::new().route("/charges", post(charge))
}

async fn charge(State(shop): State<Arc<Shop>>, deadline: Deadline) -> Result<Response, Failure> {
    shop.perform(shop.work, deadline).await?;
    Ok(shop.answer(&json!({"transaction_id": "DEMO-1"})))
}

pub(super) fn email() -> Router<Arc<Shop>> {
    Router::new().route("/confirmations", post(confirm))
}

async fn confirm(State(shop): State<Arc<Shop>>, deadline: Deadline) -> Result<Response, Failure> {
    shop.perform(shop.work, deadline).await?;
    Ok(shop.answer(&json!({"sent": true})))
}

pub(super) fn ads() -> Router<Arc<Shop>> {
    Router::new().route("/ads", get(ad))
}

async fn ad(State(shop): State<Arc<Shop>>, deadline: Deadline) -> Result<Response, Failure> {
    shop.perform(shop.work, deadline).await?;
    Ok(shop.answer(&json!({"text": "Mugs, today only"})))
}
