//! Watches on the metadata of every deletable resource.

use std::collections::HashSet;

use futures::StreamExt;
use futures::stream::{BoxStream, SelectAll};
use kube::Client;
use kube::api::{Api, ApiResource, DynamicObject};
use kube::core::PartialObjectMeta;
use kube::discovery::{Discovery, verbs};
use kube::runtime::{WatchStreamExt, watcher};

use crate::controllers::{Doing, Error};

pub(super) type Metadata = PartialObjectMeta<DynamicObject>;
pub(super) type Event = (ApiResource, watcher::Event<Metadata>);

/// All watches as one stream.
pub(super) struct Watches {
    client: Client,
    /// Watched resources, as `plural.group`. A resource whose definition is deleted stays: its
    /// watch fails, backs off, and works again if the definition returns.
    watched: HashSet<String>,
    events: SelectAll<BoxStream<'static, Event>>,
}

impl Watches {
    pub(super) fn new(client: Client) -> Self {
        Self {
            client,
            watched: HashSet::new(),
            events: SelectAll::new(),
        }
    }

    /// Starts a watch on every deletable resource that has none yet.
    pub(super) async fn extend(&mut self) -> Result<(), Error> {
        let discovery = Discovery::new(self.client.clone())
            .run()
            .await
            .doing("discover resources")?;
        let resources = discovery
            .groups()
            .flat_map(|group| group.recommended_resources());
        for (resource, capabilities) in resources {
            let key = format!("{}.{}", resource.plural, resource.group);
            // Events own nothing and are never owned.
            if resource.plural == "events"
                || !capabilities.supports_operation(verbs::DELETE)
                || !self.watched.insert(key)
            {
                continue;
            }
            let api: Api<Metadata> = Api::all_with(self.client.clone(), &resource);
            let events = watcher(api, watcher::Config::default())
                .default_backoff()
                .filter_map(|event| std::future::ready(event.ok()))
                .map(move |event| (resource.clone(), event));
            self.events.push(events.boxed());
        }
        Ok(())
    }

    /// The next event; `None` while nothing is watched.
    pub(super) async fn next(&mut self) -> Option<Event> {
        self.events.next().await
    }
}
