//! Each page makes the calls that Online Boutique's makes, and fails when one that it needs fails.

mod support;

use std::collections::BTreeMap;

use demo_shop::Role;
use support::Shop;

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

/// What `role` called between two looks.
fn difference(before: &BTreeMap<String, u64>, after: &BTreeMap<String, u64>) -> Vec<(String, u64)> {
    after
        .iter()
        .map(|(callee, count)| (callee.clone(), count - before.get(callee).unwrap_or(&0)))
        .filter(|(_, count)| *count > 0)
        .collect()
}

fn expected(calls: &[(Role, u64)]) -> Vec<(String, u64)> {
    let mut calls: Vec<_> = calls
        .iter()
        .map(|(role, count)| (role.to_string(), *count))
        .collect();
    calls.sort();
    calls
}

#[test]
fn pages_make_the_calls_of_the_real_shop() {
    let shop = Shop::start();
    let frontend = shop.frontend();
    let visit = |method: &str, path: &str, cookie: &str, body: &str| {
        let before = shop.calls(Role::Frontend);
        let headers = [("cookie", cookie), FORM];
        let answer = frontend
            .request(method, path, &headers, body)
            .expect("an answer");
        (answer, difference(&before, &shop.calls(Role::Frontend)))
    };
    let cookie = "other=1; shop_session-id=abc";

    let (answer, calls) = visit("GET", "/", "", "");
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert!(
        answer.head.contains("set-cookie: shop_session-id="),
        "{}",
        answer.head
    );
    assert!(answer.body.len() >= Role::Frontend.work().response_bytes);
    let want = [
        (Role::Currency, 10),
        (Role::ProductCatalog, 1),
        (Role::Cart, 1),
        (Role::Ad, 1),
    ];
    assert_eq!(calls, expected(&want));

    let (answer, calls) = visit("GET", "/product/OLJCESPC7Z", cookie, "");
    assert_eq!(answer.status, 200, "{}", answer.body);
    let want = [
        (Role::ProductCatalog, 6),
        (Role::Currency, 2),
        (Role::Cart, 1),
        (Role::Recommendation, 1),
        (Role::Ad, 1),
    ];
    assert_eq!(calls, expected(&want));
    assert_eq!(
        shop.calls(Role::Recommendation),
        BTreeMap::from([("productcatalogservice".into(), 1)])
    );

    for product in ["OLJCESPC7Z", "6E92ZMYYFZ", "OLJCESPC7Z"] {
        let (answer, calls) = visit(
            "POST",
            "/cart",
            cookie,
            &format!("product_id={product}&quantity=2"),
        );
        assert_eq!(answer.status, 302, "{}", answer.body);
        assert!(answer.head.contains("location: /cart"), "{}", answer.head);
        assert_eq!(
            calls,
            expected(&[(Role::ProductCatalog, 1), (Role::Cart, 1)])
        );
    }

    // Two different articles lie in the cart now: one product and one conversion for each.
    let (answer, calls) = visit("GET", "/cart", cookie, "");
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert!(answer.body.contains("4 x Sunglasses"), "{}", answer.body);
    let want = [
        (Role::Currency, 3),
        (Role::Cart, 1),
        (Role::Recommendation, 1),
        (Role::Shipping, 1),
        (Role::ProductCatalog, 2),
    ];
    assert_eq!(calls, expected(&want));

    let (answer, calls) = visit("POST", "/setCurrency", cookie, "currency_code=EUR");
    assert_eq!(answer.status, 302, "{}", answer.body);
    assert_eq!(calls, expected(&[]));

    let before = shop.calls(Role::Checkout);
    let (answer, calls) = visit("POST", "/cart/checkout", cookie, "email=a%40example.com");
    assert_eq!(answer.status, 200, "{}", answer.body);
    let want = [
        (Role::Checkout, 1),
        (Role::Recommendation, 1),
        (Role::Currency, 1),
    ];
    assert_eq!(calls, expected(&want));
    let want = [
        (Role::Cart, 2),
        (Role::ProductCatalog, 2),
        (Role::Currency, 3),
        (Role::Shipping, 2),
        (Role::Payment, 1),
        (Role::Email, 1),
    ];
    assert_eq!(
        difference(&before, &shop.calls(Role::Checkout)),
        expected(&want)
    );

    // The order took everything out of the cart.
    let (answer, calls) = visit("GET", "/cart", cookie, "");
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert!(
        calls
            .iter()
            .all(|(callee, _)| callee != "productcatalogservice"),
        "{calls:?}"
    );
}

#[test]
fn a_dead_service_fails_exactly_the_pages_that_need_it() {
    let mut shop = Shop::start();
    drop(shop.roles.remove(&Role::Recommendation));
    let status = |shop: &Shop, path: &str| {
        shop.frontend()
            .request("GET", path, &[], "")
            .expect("an answer")
            .status
    };
    assert_eq!(status(&shop, "/"), 200);
    assert_eq!(status(&shop, "/product/OLJCESPC7Z"), 500);
    assert_eq!(status(&shop, "/cart"), 500);
    assert_eq!(
        shop.frontend().stats().failed_calls,
        BTreeMap::from([("recommendationservice".into(), 2)])
    );

    // Pages do without ads, and nothing works without carts.
    drop(shop.roles.remove(&Role::Ad));
    assert_eq!(status(&shop, "/"), 200);
    drop(shop.roles.remove(&Role::RedisCart));
    assert_eq!(status(&shop, "/"), 500);
    assert_eq!(status(&shop, "/_healthz"), 200);
}
