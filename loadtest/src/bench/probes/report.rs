//! Everything that was measured, as a table and as JSON.

use std::fmt;

use serde::Serialize;

use super::events::EventsReport;
use super::shop::ShopReport;
use crate::bench::agent;

/// Parts that were not asked for are left out of the table; in JSON they are null, but for the events,
/// whose numbers stand at the top.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// ns per event.
    #[serde(flatten)]
    pub events: Option<EventsReport>,
    /// The demo shop under load.
    pub shop: Option<ShopReport>,
    /// The agent itself.
    pub agent: Option<agent::Report>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [
            self.events.as_ref().map(ToString::to_string),
            self.shop.as_ref().map(ToString::to_string),
            self.agent.as_ref().map(ToString::to_string),
        ];
        let told: Vec<String> = parts.into_iter().flatten().collect();
        f.write_str(&told.join("\n"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_measured_is_null_and_untold() {
        let nothing = Report::default();
        assert_eq!(nothing.to_string(), "");
        let json = serde_json::to_value(&nothing).unwrap();
        assert!(json["shop"].is_null() && json["agent"].is_null());
        assert!(json.get("events").is_none());
    }
}
