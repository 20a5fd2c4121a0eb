//! What all handlers of a process share: the work, the place where it is done, the calls, the counts.

use std::sync::Arc;

use axum::response::{IntoResponse, Response};
use http::header;
use serde::Serialize;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use crate::client::Client;
use crate::counters::Counters;
use crate::deadline::Deadline;
use crate::failure::Failure;
use crate::interpreter::InterpreterLock;
use crate::role::{Concurrency, Role};
use crate::settings::Settings;
use crate::work::{Work, burn, burn_under};

/// One running role.
pub(crate) struct Shop {
    pub(crate) role: Role,
    /// Work of one request.
    pub(crate) work: Work,
    pub(crate) client: Client,
    /// As `client`, with the shorter patience that pages have for ads.
    pub(crate) ad_client: Client,
    pub(crate) counters: Arc<Counters>,
    /// A permit for each request that may be in flight.
    pub(crate) in_flight: Semaphore,
    place: Place,
}

/// Where work is done.
enum Place {
    Workers,
    WorkersUnder(InterpreterLock),
    ThisThread,
}

impl Shop {
    pub(crate) fn new(settings: &Settings) -> Self {
        let counters = Arc::new(Counters::default());
        let client = Client::new(
            settings.addresses.clone(),
            settings.call_timeout,
            Arc::clone(&counters),
        );
        Self {
            role: settings.role,
            work: settings.work,
            ad_client: client.with_timeout(settings.ad_timeout),
            client,
            counters,
            in_flight: Semaphore::new(settings.max_in_flight),
            place: match settings.concurrency {
                Concurrency::Threads(_) => Place::Workers,
                Concurrency::Interpreter(_) => {
                    Place::WorkersUnder(InterpreterLock::new(InterpreterLock::SWITCH_INTERVAL))
                }
                Concurrency::EventLoop => Place::ThisThread,
            },
        }
    }

    /// Does the CPU and memory part of a request where the role's concurrency model says.
    pub(crate) async fn perform(
        self: &Arc<Self>,
        work: Work,
        deadline: Deadline,
    ) -> Result<(), Failure> {
        if matches!(self.place, Place::ThisThread) {
            burn(work);
            return Ok(());
        }
        self.on_worker(deadline, move |shop| {
            shop.burn(work);
            Ok(())
        })
        .await
    }

    /// Runs `body` on a worker thread, once one is free.
    ///
    /// Skips it when the deadline passed meanwhile, so that an overloaded role does not spend its time on answers that
    /// nobody waits for. The queue in front of the workers is bounded by `in_flight`.
    pub(crate) async fn on_worker<T: Send + 'static>(
        self: &Arc<Self>,
        deadline: Deadline,
        body: impl FnOnce(&Self) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let shop = Arc::clone(self);
        tokio::task::spawn_blocking(move || match deadline.remaining() {
            Some(_) => body(&shop),
            None => Err(Failure::Expired),
        })
        .await?
    }

    /// Does work on the calling thread, which must be a worker.
    pub(crate) fn burn(&self, work: Work) {
        match &self.place {
            Place::WorkersUnder(interpreter) => burn_under(&mut interpreter.acquire(), work),
            Place::Workers | Place::ThisThread => burn(work),
        }
    }

    /// Blocks a worker thread until `call` is done, as a synchronous client does.
    pub(crate) fn wait_for<F: Future>(&self, call: F) -> F::Output {
        Handle::current().block_on(call)
    }

    /// A JSON answer, padded with blanks to the size that the work says.
    pub(crate) fn answer(&self, document: &impl Serialize) -> Response {
        let mut body = serde_json::to_vec(document).expect("our documents have string keys only");
        body.resize(body.len().max(self.work.response_bytes), b' ');
        ([(header::CONTENT_TYPE, "application/json")], body).into_response()
    }
}
