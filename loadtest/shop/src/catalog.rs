//! The documents that roles exchange, and the nine products with Online Boutique's ids, so that one Locust file fits
//! both shops.

use serde::{Deserialize, Serialize};

/// An article of the shop.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Product {
    pub(crate) id: String,
    pub(crate) name: String,
    /// In hundredths of a US dollar.
    pub(crate) price_cents: u64,
}

/// An article in a cart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CartItem {
    pub(crate) product_id: String,
    pub(crate) quantity: u32,
}

/// An amount in some currency.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Money {
    pub(crate) currency: String,
    pub(crate) cents: u64,
}

/// Ids, names and prices in cents.
const PRODUCTS: [(&str, &str, u64); 9] = [
    ("OLJCESPC7Z", "Sunglasses", 1_999),
    ("66VCHSJNUP", "Tank Top", 1_899),
    ("1YMWWN1N4O", "Watch", 10_999),
    ("L9ECAV7KIM", "Loafers", 8_999),
    ("2ZYFJ3GM2N", "Hairdryer", 2_499),
    ("0PUK6V6EV0", "Candle Holder", 1_899),
    ("LS4PSXUNUM", "Salt & Pepper Shakers", 1_849),
    ("9SIQT8TOJO", "Bamboo Glass Jar", 549),
    ("6E92ZMYYFZ", "Mug", 899),
];

/// Every product.
pub(crate) fn products() -> Vec<Product> {
    PRODUCTS
        .iter()
        .map(|&(id, name, price_cents)| Product {
            id: id.into(),
            name: name.into(),
            price_cents,
        })
        .collect()
}

/// The product with this id.
pub(crate) fn product(id: &str) -> Option<Product> {
    products().into_iter().find(|product| product.id == id)
}
