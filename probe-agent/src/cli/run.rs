//! `probe-agent run`.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result};
use metrics_exporter_prometheus::PrometheusBuilder;
use tokio::sync::watch;

use super::RunArgs;
use super::shutdown::Shutdown;
use crate::admin::{self, Admin};
use crate::host::Host;
use crate::monitor::Monitor;
use crate::orders::Orders;
use crate::stream::{Address, Link, Outbox, Stream, TlsFiles};
use crate::{instruments, measuring, report};

/// Everything that can be refused is tried before anything is started, so that a failure leaves
/// nothing behind.
pub(super) async fn run(args: RunArgs) -> Result<ExitCode> {
    anyhow::ensure!(
        !args.node_name.is_empty(),
        "--node-name is empty; give the Node's name"
    );
    let tls = TlsFiles {
        ca: args.tls_ca,
        certificate: args.tls_cert,
        key: args.tls_key,
    };
    let addresses = args
        .scaler
        .iter()
        .map(|url| Address::parse(url, &tls))
        .collect::<Result<Vec<_>, _>>()?;
    let metrics = PrometheusBuilder::new()
        .install_recorder()
        .context("cannot record metrics")?;
    instruments::describe();
    let listener = admin::bind(args.admin_address).await?;
    let mut shutdown = Shutdown::catch().context("cannot catch signals")?;

    let root = args.cgroup_root.path;
    let monitor =
        tokio::task::spawn_blocking(move || Monitor::open(&root, args.room.max_containers))
            .await??;
    instruments::support(monitor.kernel().support());
    let hello = report::hello(&args.node_name, &Host::read(), monitor.kernel().support());

    let (reports, orders) = (
        Arc::new(Outbox::bounded(args.queue)),
        Arc::new(Orders::default()),
    );
    let sink = Arc::clone(&reports);
    let mut thread = measuring::spawn(monitor, Arc::clone(&orders), move |interval| {
        sink.push(interval)
    })
    .context("cannot start the measuring thread")?;

    let (link, linked) = watch::channel(Link::NeverUp);
    let stream = Stream {
        addresses,
        hello,
        default_interval: args.interval,
        grace: args.grace,
        reports,
        orders,
        link,
    };
    tracing::info!(scaler = args.scaler.join(","), node = args.node_name, admin = %args.admin_address, "running");
    let outcome = tokio::select! {
        () = shutdown.requested() => Ok(()),
        () = stream.run() => Ok(()),
        served = admin::serve(listener, Admin { metrics, link: linked }) => {
            served.context("the admin server ended")
        }
        error = thread.ended() => Err(error.into()),
    };
    shutdown.abort_on_second();
    tracing::info!("detaching");
    let stopped = tokio::task::spawn_blocking(move || thread.stop()).await?;
    outcome?;
    stopped?;
    tracing::info!("ended");
    Ok(ExitCode::SUCCESS)
}
