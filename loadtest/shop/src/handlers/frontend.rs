//! Pages. Calls are made one after the other, as in the real frontend; a page fails with 500 when a call that it needs
//! fails.

use std::sync::Arc;

use axum::extract::{FromRequestParts, Path};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Form, Router};
use http::request::Parts;
use http::{Method, StatusCode, header};
use serde::Deserialize;
use serde_json::Value;

use crate::catalog::{CartItem, Money, Product};
use crate::client::CallError;
use crate::deadline::Deadline;
use crate::failure::Failure;
use crate::role::Role;
use crate::shop::Shop;

/// A redirect renders no page: it costs this part of one.
const REDIRECT_PART: f64 = 0.25;

/// Cookie that names the user's cart.
const SESSION_COOKIE: &str = "shop_session-id";

pub(super) fn routes() -> Router<Arc<Shop>> {
    Router::new()
        .route("/", get(index))
        .route("/product/{id}", get(product))
        .route("/cart", get(cart).post(add_to_cart))
        .route("/setCurrency", post(set_currency))
        .route("/cart/checkout", post(checkout))
}

/// What every page needs.
struct Visit {
    shop: Arc<Shop>,
    session: String,
    deadline: Deadline,
}

impl FromRequestParts<Arc<Shop>> for Visit {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(
        parts: &mut Parts,
        shop: &Arc<Shop>,
    ) -> Result<Self, Self::Rejection> {
        let deadline = Deadline::from_request_parts(parts, shop).await?;
        let session = parts
            .headers
            .get_all(header::COOKIE)
            .iter()
            .filter_map(|cookies| cookies.to_str().ok())
            .flat_map(|cookies| cookies.split("; "))
            .find_map(|cookie| cookie.strip_prefix(SESSION_COOKIE)?.strip_prefix('='))
            .filter(|id| {
                !id.is_empty() && id.len() <= 64 && id.bytes().all(|b| b.is_ascii_alphanumeric())
            })
            .map_or_else(|| format!("{:032x}", rand::random::<u128>()), str::to_owned);
        Ok(Self {
            shop: Arc::clone(shop),
            session,
            deadline,
        })
    }
}

/// A page that could not be made.
struct PageFailure(Failure);

impl<E: Into<Failure>> From<E> for PageFailure {
    fn from(failure: E) -> Self {
        Self(failure.into())
    }
}

impl IntoResponse for PageFailure {
    fn into_response(self) -> Response {
        tracing::debug!(error = %self.0, "page failed");
        (StatusCode::INTERNAL_SERVER_ERROR, format!("{}\n", self.0)).into_response()
    }
}

type Page = Result<Response, PageFailure>;

async fn index(visit: Visit) -> Page {
    visit.currencies().await?;
    let products: Vec<Product> = visit.get(Role::ProductCatalog, "/products").await?;
    visit.cart().await?;
    let mut lines = Vec::with_capacity(products.len());
    for product in products {
        let price = visit.price(&product).await?;
        lines.push(format!("<li>{} {}</li>", product.name, price.cents));
    }
    visit.advertisement().await;
    visit.page(&lines.concat()).await
}

async fn product(visit: Visit, Path(id): Path<String>) -> Page {
    let product = visit.product(&id).await?;
    visit.currencies().await?;
    visit.cart().await?;
    let price = visit.price(&product).await?;
    let recommended = visit.recommended(&id, true).await?;
    visit.advertisement().await;
    visit
        .page(&format!(
            "<h1>{} {}</h1>{recommended}",
            product.name, price.cents
        ))
        .await
}

async fn cart(visit: Visit) -> Page {
    visit.currencies().await?;
    let items = visit.cart().await?;
    let ids: Vec<_> = items.iter().map(|item| item.product_id.as_str()).collect();
    let recommended = visit.recommended(&ids.join(","), false).await?;
    let _quote: Money = visit.get(Role::Shipping, "/quote").await?;
    let mut lines = Vec::with_capacity(items.len());
    for item in &items {
        let product = visit.product(&item.product_id).await?;
        let price = visit.price(&product).await?;
        lines.push(format!(
            "<li>{} x {} {}</li>",
            item.quantity, product.name, price.cents
        ));
    }
    visit
        .page(&format!("{}{recommended}", lines.concat()))
        .await
}

async fn add_to_cart(visit: Visit, Form(item): Form<CartItem>) -> Page {
    let product = visit.product(&item.product_id).await?;
    let item = CartItem {
        product_id: product.id,
        ..item
    };
    visit
        .send(Role::Cart, &format!("/carts/{}", visit.session), &item)
        .await?;
    visit.redirect("/cart").await
}

/// A form field that we accept and have no use for.
#[derive(Deserialize)]
struct CurrencyChoice {
    #[serde(rename = "currency_code")]
    _code: String,
}

async fn set_currency(visit: Visit, Form(_): Form<CurrencyChoice>) -> Page {
    visit.redirect("/").await
}

async fn checkout(visit: Visit) -> Page {
    let order = visit
        .send(Role::Checkout, &format!("/orders/{}", visit.session), &())
        .await?;
    let recommended = visit.recommended("", false).await?;
    visit.currencies().await?;
    visit
        .page(&format!(
            "<p>{} bytes of order</p>{recommended}",
            order.len()
        ))
        .await
}

impl Visit {
    async fn get<T: serde::de::DeserializeOwned>(
        &self,
        callee: Role,
        path: &str,
    ) -> Result<T, CallError> {
        self.shop.client.get(callee, path, self.deadline).await
    }

    async fn send(
        &self,
        callee: Role,
        path: &str,
        body: &impl serde::Serialize,
    ) -> Result<bytes::Bytes, CallError> {
        self.shop
            .client
            .send(callee, Method::POST, path, body, self.deadline)
            .await
    }

    async fn currencies(&self) -> Result<Vec<String>, CallError> {
        self.get(Role::Currency, "/currencies").await
    }

    async fn cart(&self) -> Result<Vec<CartItem>, CallError> {
        self.get(Role::Cart, &format!("/carts/{}", self.session))
            .await
    }

    async fn product(&self, id: &str) -> Result<Product, CallError> {
        self.get(Role::ProductCatalog, &format!("/products/{id}"))
            .await
    }

    async fn price(&self, product: &Product) -> Result<Money, CallError> {
        self.get(
            Role::Currency,
            &format!("/convert?cents={}&to=USD", product.price_cents),
        )
        .await
    }

    /// The list of recommendations as HTML, with their names looked up if the page shows them.
    async fn recommended(&self, seen: &str, with_names: bool) -> Result<String, CallError> {
        let ids: Vec<String> = self
            .get(
                Role::Recommendation,
                &format!("/recommendations?products={seen}"),
            )
            .await?;
        let mut list = String::new();
        for id in ids {
            let name = if with_names {
                self.product(&id).await?.name
            } else {
                id
            };
            list += &format!("<a>{name}</a>");
        }
        Ok(list)
    }

    /// Nobody misses an advertisement: late or failed ones leave no trace but a count.
    async fn advertisement(&self) {
        let _: Result<Value, _> = self
            .shop
            .ad_client
            .get(Role::Ad, "/ads", self.deadline)
            .await;
    }

    async fn page(self, content: &str) -> Page {
        self.shop.perform(self.shop.work, self.deadline).await?;
        let mut body = format!("<!doctype html><title>Shop</title>{content}").into_bytes();
        body.resize(body.len().max(self.shop.work.response_bytes), b' ');
        let headers = [
            (header::CONTENT_TYPE, "text/html; charset=utf-8".to_owned()),
            self.cookie(),
        ];
        Ok((headers, body).into_response())
    }

    async fn redirect(self, location: &str) -> Page {
        self.shop
            .perform(self.shop.work.scaled(REDIRECT_PART), self.deadline)
            .await?;
        let headers = [(header::LOCATION, location.to_owned()), self.cookie()];
        Ok((StatusCode::FOUND, headers).into_response())
    }

    fn cookie(&self) -> (header::HeaderName, String) {
        (
            header::SET_COOKIE,
            format!("{SESSION_COOKIE}={}; Path=/; Max-Age=172800", self.session),
        )
    }
}
