//! What Locust says, line by line, and the totals of it.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use serde::Deserialize;

/// Something that happened in the run. Times are wall clock.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A stage of the plan really began: for more users, the moment when the first of them starts.
    Stage {
        /// When.
        at: SystemTime,
        /// Which, counted from 0.
        index: usize,
        /// The stage's number of users.
        users: u32,
    },
    /// A page request ended.
    Request(Request),
    /// How many users there are; said once a second.
    Users {
        /// When.
        at: SystemTime,
        /// So many.
        users: u32,
    },
    /// Locust's last word.
    End {
        /// When.
        at: SystemTime,
        /// The plan was driven to its end; otherwise the run was stopped before.
        complete: bool,
        /// Requests in Locust's own statistics.
        requests: u64,
        /// Those of them that failed.
        failures: u64,
    },
}

/// A page request, redirects included.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// When it ended.
    pub at: SystemTime,
    /// Method and path pattern, such as `GET /product/{id}`.
    pub route: String,
    /// HTTP status; 0 when there was no answer.
    pub status: u16,
    /// From the request to the end of the answer.
    pub latency: Duration,
    /// The user got the page.
    pub ok: bool,
    /// What went wrong.
    pub error: Option<String>,
}

/// A line as it is written.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Line {
    Stage {
        at: f64,
        index: usize,
        users: u32,
    },
    Request {
        at: f64,
        route: String,
        status: u16,
        ms: f64,
        ok: bool,
        error: Option<String>,
    },
    Users {
        at: f64,
        users: u32,
    },
    End {
        at: f64,
        complete: bool,
        requests: u64,
        failures: u64,
    },
}

impl Event {
    /// Reads one line of Locust's output.
    ///
    /// # Errors
    /// When the line is not an event, or has numbers that no clock can show.
    pub fn parse(line: &str) -> Result<Self, serde_json::Error> {
        Ok(match serde_json::from_str(line)? {
            Line::Stage { at, index, users } => Self::Stage {
                at: time(at)?,
                index,
                users,
            },
            Line::Users { at, users } => Self::Users {
                at: time(at)?,
                users,
            },
            Line::End {
                at,
                complete,
                requests,
                failures,
            } => Self::End {
                at: time(at)?,
                complete,
                requests,
                failures,
            },
            Line::Request {
                at,
                route,
                status,
                ms,
                ok,
                error,
            } => {
                let (at, latency) = (time(at)?, duration(ms / 1000.0)?);
                Self::Request(Request {
                    at,
                    route,
                    status,
                    latency,
                    ok,
                    error,
                })
            }
        })
    }
}

fn time(epoch_seconds: f64) -> Result<SystemTime, serde_json::Error> {
    let since = duration(epoch_seconds)?;
    SystemTime::UNIX_EPOCH
        .checked_add(since)
        .ok_or_else(|| out_of_range(epoch_seconds))
}

fn duration(seconds: f64) -> Result<Duration, serde_json::Error> {
    Duration::try_from_secs_f64(seconds).map_err(|_| out_of_range(seconds))
}

fn out_of_range(seconds: f64) -> serde_json::Error {
    serde::de::Error::custom(format_args!("{seconds} seconds is no time"))
}

/// Counts of a whole run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Page requests that ended.
    pub requests: u64,
    /// Those of them that failed.
    pub failures: u64,
    /// The same by route; the routes are those of the locustfile.
    pub routes: BTreeMap<String, RouteTotals>,
    /// The plan was driven to its end.
    pub complete: bool,
    /// Requests and failures as Locust's own statistics have them, told at its end: equal to ours, unless events were
    /// lost or a request was counted twice.
    pub own_statistics: Option<RouteTotals>,
    /// Requests that [`Run::next_event`](super::Run::next_event) did not hand over because its reader was too slow.
    /// They are counted above and stand in the file of events.
    pub skipped: u64,
}

/// Counts of one route.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RouteTotals {
    /// Requests that ended.
    pub requests: u64,
    /// Those of them that failed.
    pub failures: u64,
}

impl Totals {
    /// Adds what `event` says.
    pub fn add(&mut self, event: &Event) {
        match event {
            Event::Request(request) => {
                let failed = u64::from(!request.ok);
                let route = self.routes.entry(request.route.clone()).or_default();
                route.requests += 1;
                route.failures += failed;
                self.requests += 1;
                self.failures += failed;
            }
            Event::End {
                complete,
                requests,
                failures,
                ..
            } => {
                self.complete = *complete;
                self.own_statistics = Some(RouteTotals {
                    requests: *requests,
                    failures: *failures,
                });
            }
            Event::Stage { .. } | Event::Users { .. } => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_become_events() {
        let line = r#"{"type":"request","at":1.5,"route":"GET /","status":500,"ms":12.5,"ok":false,"error":"500"}"#;
        let expected = Request {
            at: SystemTime::UNIX_EPOCH + Duration::from_millis(1500),
            route: "GET /".into(),
            status: 500,
            latency: Duration::from_micros(12_500),
            ok: false,
            error: Some("500".into()),
        };
        assert_eq!(Event::parse(line).unwrap(), Event::Request(expected));
        let line = r#"{"type":"stage","at":2,"index":1,"users":26}"#;
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(2);
        assert_eq!(
            Event::parse(line).unwrap(),
            Event::Stage {
                at,
                index: 1,
                users: 26
            }
        );
    }

    #[test]
    fn anything_else_is_an_error_and_no_panic() {
        for line in [
            "",
            "hello",
            "{}",
            r#"{"type":"users"}"#,
            r#"{"type":"users","at":-1,"users":1}"#,
            r#"{"type":"users","at":1e300,"users":1}"#,
            r#"{"type":"users","at":1,"users":-1}"#,
        ] {
            assert!(Event::parse(line).is_err(), "{line:?}");
        }
    }

    #[test]
    fn totals_add_up_by_route() {
        let mut totals = Totals::default();
        for (route, ok) in [("GET /", true), ("GET /", false), ("GET /cart", true)] {
            let line = format!(
                r#"{{"type":"request","at":1,"route":"{route}","status":200,"ms":1,"ok":{ok},"error":null}}"#
            );
            totals.add(&Event::parse(&line).unwrap());
        }
        assert_eq!((totals.requests, totals.failures), (3, 1));
        assert_eq!(
            totals.routes["GET /"],
            RouteTotals {
                requests: 2,
                failures: 1
            }
        );
    }
}
