//! What the thesis reports, to stand beside ours: Joshua Levin, "ViperProbe", Brown University, 2020.

use super::ThesisPeak;

/// Routes of the shop whose pages need Recommendation; adding to the cart redirects to the cart.
const RECOMMENDATION_ROUTES: [&str; 4] = [
    "GET /product/{id}",
    "GET /cart",
    "POST /cart",
    "POST /cart/checkout",
];

/// Whether a route's page needs Recommendation.
pub(super) fn uses_recommendation(route: &str) -> bool {
    RECOMMENDATION_ROUTES.contains(&route)
}

/// Its Table 4: scale sizes reached.
pub(super) fn peak(deployment: &str) -> Option<ThesisPeak> {
    let (viperprobe, hpa) = match deployment {
        "frontend" => (4, 20),
        "recommendationservice" => (13, 5),
        "currencyservice" => (6, 20),
        "cartservice" => (1, 1),
        _ => return None,
    };
    Some(ThesisPeak { hpa, viperprobe })
}
