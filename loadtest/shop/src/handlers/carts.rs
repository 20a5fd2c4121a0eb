//! Carts: the service, which holds nothing, and the store behind it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::get;
use axum::{Extension, Json, Router};
use http::Method;
use serde_json::{Value, json};

use crate::catalog::CartItem;
use crate::deadline::Deadline;
use crate::failure::Failure;
use crate::role::Role;
use crate::shop::Shop;

pub(super) fn service() -> Router<Arc<Shop>> {
    Router::new().route(
        "/carts/{user}",
        get(get_cart).post(add_item).delete(empty_cart),
    )
}

async fn get_cart(
    State(shop): State<Arc<Shop>>,
    deadline: Deadline,
    Path(user): Path<String>,
) -> Result<Response, Failure> {
    shop.perform(shop.work, deadline).await?;
    Ok(shop.answer(&load(&shop, &user, deadline).await?))
}

async fn add_item(
    State(shop): State<Arc<Shop>>,
    deadline: Deadline,
    Path(user): Path<String>,
    Json(new): Json<CartItem>,
) -> Result<Response, Failure> {
    shop.perform(shop.work, deadline).await?;
    let mut items = load(&shop, &user, deadline).await?;
    match items
        .iter_mut()
        .find(|item| item.product_id == new.product_id)
    {
        Some(item) => item.quantity = item.quantity.saturating_add(new.quantity),
        None => items.push(new),
    }
    save(&shop, &user, &items, deadline).await?;
    Ok(shop.answer(&items))
}

async fn empty_cart(
    State(shop): State<Arc<Shop>>,
    deadline: Deadline,
    Path(user): Path<String>,
) -> Result<Response, Failure> {
    shop.perform(shop.work, deadline).await?;
    save(&shop, &user, &[], deadline).await?;
    Ok(shop.answer(&json!([])))
}

async fn load(shop: &Shop, user: &str, deadline: Deadline) -> Result<Vec<CartItem>, Failure> {
    let path = format!("/keys/{user}");
    let items: Option<_> = shop.client.get(Role::RedisCart, &path, deadline).await?;
    Ok(items.unwrap_or_default())
}

async fn save(
    shop: &Shop,
    user: &str,
    items: &[CartItem],
    deadline: Deadline,
) -> Result<(), Failure> {
    let path = format!("/keys/{user}");
    if items.is_empty() {
        shop.client
            .send(Role::RedisCart, Method::DELETE, &path, &(), deadline)
            .await?;
    } else {
        shop.client
            .send(Role::RedisCart, Method::PUT, &path, &items, deadline)
            .await?;
    }
    Ok(())
}

/// Keys that the store holds. When it is full, it refuses new ones and keeps the others, as Redis does by default.
const MAX_KEYS: usize = 100_000;

/// The store's content: JSON documents by key.
#[derive(Clone, Default)]
struct Store(Arc<Mutex<HashMap<String, Value>>>);

impl Store {
    /// Every single operation leaves the map whole, so a panic elsewhere cannot spoil it.
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Value>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) fn store() -> Router<Arc<Shop>> {
    Router::new()
        .route(
            "/keys/{key}",
            get(read_key).put(write_key).delete(delete_key),
        )
        .layer(Extension(Store::default()))
}

async fn read_key(
    State(shop): State<Arc<Shop>>,
    Extension(store): Extension<Store>,
    deadline: Deadline,
    Path(key): Path<String>,
) -> Result<Response, Failure> {
    shop.perform(shop.work, deadline).await?;
    let value = store.lock().get(&key).cloned();
    Ok(shop.answer(&value))
}

async fn write_key(
    State(shop): State<Arc<Shop>>,
    Extension(store): Extension<Store>,
    deadline: Deadline,
    Path(key): Path<String>,
    Json(value): Json<Value>,
) -> Result<Response, Failure> {
    shop.perform(shop.work, deadline).await?;
    let mut keys = store.lock();
    if keys.len() >= MAX_KEYS && !keys.contains_key(&key) {
        return Err(Failure::StoreFull { keys: keys.len() });
    }
    keys.insert(key, value);
    Ok(shop.answer(&json!("OK")))
}

async fn delete_key(
    State(shop): State<Arc<Shop>>,
    Extension(store): Extension<Store>,
    deadline: Deadline,
    Path(key): Path<String>,
) -> Result<Response, Failure> {
    shop.perform(shop.work, deadline).await?;
    store.lock().remove(&key);
    Ok(shop.answer(&json!("OK")))
}
