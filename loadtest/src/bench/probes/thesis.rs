//! What the ViperProbe thesis (J. Levin, Brown University, 2020) measured of its prototype with all
//! metrics on: its figures 9 to 11.

/// Percent of CPU more, from and to.
pub(super) const CPU: (f64, f64) = (10.0, 15.0);

/// Percent of median latency more, from and to.
pub(super) const MEDIAN_LATENCY: (f64, f64) = (40.0, 60.0);

/// What it says of the tail: "negligible". Drawn as nothing.
pub(super) const TAIL_LATENCY: (f64, f64) = (0.0, 0.0);

/// Where it measured, for captions.
pub(super) const WHERE: &str =
    "The thesis: five machines of 8 CPUs, Istio, Hipster Shop, 1,800 users; Python and BCC.";
