//! The proxy between real clients and real servers.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;

use super::{Backend, Connections, serve};

const DEADLINE: Duration = Duration::from_secs(20);

/// A server that counts, and answers `/slow` only when told to.
struct Upstream {
    address: SocketAddr,
    requests: Arc<AtomicUsize>,
    connections: Arc<AtomicUsize>,
    release: Arc<Notify>,
    stop: CancellationToken,
}

impl Upstream {
    /// `keep_alive`: false closes each connection after one answer without saying so.
    async fn start(keep_alive: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let upstream = Self {
            address,
            requests: Arc::default(),
            connections: Arc::default(),
            release: Arc::default(),
            stop: CancellationToken::new(),
        };
        let (requests, connections) = (upstream.requests.clone(), upstream.connections.clone());
        let (release, stop) = (upstream.release.clone(), upstream.stop.clone());
        tokio::spawn(stop.run_until_cancelled_owned(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                connections.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(answer(
                    stream,
                    requests.clone(),
                    release.clone(),
                    keep_alive,
                ));
            }
        }));
        upstream
    }

    fn requests(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }
}

async fn answer(
    stream: TcpStream,
    requests: Arc<AtomicUsize>,
    release: Arc<Notify>,
    keep_alive: bool,
) -> Option<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let head = read_head(&mut stream).await?;
        requests.fetch_add(1, Ordering::Relaxed);
        let length = content_length(&head);
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.ok()?;
        if head.starts_with("GET /slow") {
            release.notified().await;
        }
        let text = format!("{head}{}", String::from_utf8_lossy(&body));
        let response = format!(
            "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{text}",
            text.len()
        );
        stream.get_mut().write_all(response.as_bytes()).await.ok()?;
        if !keep_alive {
            return None;
        }
    }
}

async fn read_head(stream: &mut BufReader<TcpStream>) -> Option<String> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        (stream.read_line(&mut head).await.ok()? > 0).then_some(())?;
    }
    Some(head)
}

fn content_length(head: &str) -> usize {
    let lines = head.lines().map(str::to_lowercase);
    lines
        .filter_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok())
        .next()
        .unwrap_or(0)
}

/// A proxy in front of some upstreams.
struct Proxy {
    address: SocketAddr,
    backend: Arc<Backend>,
    stop: CancellationToken,
}

impl Proxy {
    async fn start(max_connections: usize, upstreams: &[&Upstream]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let backend = Arc::new(Backend::new("shop/web"));
        let proxy = Self {
            address,
            backend,
            stop: CancellationToken::new(),
        };
        proxy.set(upstreams);
        let connections = Connections::new(Arc::new(Semaphore::new(max_connections)));
        tokio::spawn(serve(
            listener,
            proxy.backend.clone(),
            connections,
            proxy.stop.clone(),
        ));
        proxy
    }

    fn set(&self, upstreams: &[&Upstream]) {
        let addresses: BTreeSet<_> = upstreams.iter().map(|upstream| upstream.address).collect();
        self.backend.set_endpoints(&addresses);
    }

    async fn client(&self) -> Client {
        Client(BufReader::new(
            TcpStream::connect(self.address).await.unwrap(),
        ))
    }
}

/// One kept-alive connection.
struct Client(BufReader<TcpStream>);

impl Client {
    async fn send(&mut self, request: &str) {
        self.0
            .get_mut()
            .write_all(request.as_bytes())
            .await
            .unwrap();
    }

    /// Head and body of the next response.
    async fn receive(&mut self) -> (String, String) {
        let head = read_head(&mut self.0)
            .await
            .expect("the connection was closed");
        let mut body = vec![0; content_length(&head)];
        self.0.read_exact(&mut body).await.unwrap();
        (head, String::from_utf8(body).unwrap())
    }

    async fn get(&mut self, path: &str) -> (String, String) {
        self.send(&format!("GET {path} HTTP/1.1\r\nhost: web\r\n\r\n"))
            .await;
        self.receive().await
    }
}

async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < DEADLINE, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test]
async fn one_connection_is_spread_over_all_endpoints_and_upstream_connections_are_reused() {
    let upstreams = [
        Upstream::start(true).await,
        Upstream::start(true).await,
        Upstream::start(true).await,
    ];
    let [a, b, c] = &upstreams;
    let proxy = Proxy::start(10, &[a, b]).await;
    let mut client = proxy.client().await;
    for _ in 0..100 {
        assert!(client.get("/").await.0.starts_with("HTTP/1.1 200"));
    }
    assert!(
        a.requests() > 20 && b.requests() > 20,
        "{} {}",
        a.requests(),
        b.requests()
    );
    for upstream in [a, b] {
        assert_eq!(
            upstream.connections.load(Ordering::Relaxed),
            1,
            "one at a time needs one connection"
        );
    }
    // A new endpoint is used at once, on a connection that was there before.
    proxy.set(&[a, b, c]);
    for _ in 0..100 {
        client.get("/").await;
    }
    assert!(c.requests() > 10);
}

#[tokio::test]
async fn without_ready_endpoints_the_answer_is_503_with_a_reason() {
    let proxy = Proxy::start(10, &[]).await;
    let (head, body) = proxy.client().await.get("/").await;
    assert!(head.starts_with("HTTP/1.1 503"), "{head}");
    assert!(
        head.contains("x-viperscale-proxy: service shop/web has no ready endpoint"),
        "{head}"
    );
    assert_eq!(body, "service shop/web has no ready endpoint\n");
}

#[tokio::test]
async fn a_removed_endpoint_finishes_its_request_and_gets_no_other() {
    let (old, new) = (Upstream::start(true).await, Upstream::start(true).await);
    let proxy = Proxy::start(10, &[&old]).await;
    let (mut slow, mut quick) = (proxy.client().await, proxy.client().await);
    slow.send("GET /slow HTTP/1.1\r\nhost: web\r\n\r\n").await;
    eventually("request under way", || old.requests() == 1).await;
    proxy.set(&[&new]);
    for _ in 0..20 {
        quick.get("/").await;
    }
    assert_eq!((old.requests(), new.requests()), (1, 20));
    old.release.notify_one();
    assert!(slow.receive().await.0.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn the_less_busy_endpoint_is_preferred() {
    let (busy, free) = (Upstream::start(true).await, Upstream::start(true).await);
    let proxy = Proxy::start(10, &[&busy]).await;
    let mut slow = proxy.client().await;
    slow.send("GET /slow HTTP/1.1\r\nhost: web\r\n\r\n").await;
    eventually("request under way", || busy.requests() == 1).await;
    proxy.set(&[&busy, &free]);
    let mut client = proxy.client().await;
    for _ in 0..20 {
        client.get("/").await;
    }
    assert_eq!(
        (busy.requests(), free.requests()),
        (1, 20),
        "two choices of two endpoints see both"
    );
}

#[tokio::test]
async fn a_dead_endpoint_costs_no_request_and_alone_it_is_a_502() {
    let (dead, alive) = (Upstream::start(true).await, Upstream::start(true).await);
    dead.stop.cancel();
    let refused = || std::net::TcpStream::connect(dead.address).is_err();
    eventually("the dead endpoint's listener closed", refused).await;
    let proxy = Proxy::start(10, &[&dead, &alive]).await;
    let mut client = proxy.client().await;
    for _ in 0..50 {
        // With a body: what was not sent may be sent again, whatever the method.
        client
            .send("POST / HTTP/1.1\r\nhost: web\r\ncontent-length: 4\r\n\r\nbody")
            .await;
        let (head, body) = client.receive().await;
        assert!(
            head.starts_with("HTTP/1.1 200") && body.ends_with("body"),
            "{head}{body}"
        );
    }
    proxy.set(&[&dead]);
    let (head, _) = client.get("/").await;
    assert!(head.starts_with("HTTP/1.1 502"), "{head}");
}

#[tokio::test]
async fn connections_that_servers_close_between_requests_cost_none() {
    let upstream = Upstream::start(false).await;
    let proxy = Proxy::start(10, &[&upstream]).await;
    let mut client = proxy.client().await;
    for round in 1..=30 {
        let closed = upstream.requests();
        assert!(
            client.get("/").await.0.starts_with("HTTP/1.1 200"),
            "request {round} of {closed}"
        );
        // The server's FIN has to be there before the next request, or it is a race that HTTP allows.
        tokio::task::yield_now().await;
    }
    assert_eq!(upstream.requests(), 30);
}

#[tokio::test]
async fn hop_by_hop_headers_stay_on_their_hop() {
    let upstream = Upstream::start(true).await;
    let proxy = Proxy::start(10, &[&upstream]).await;
    let mut client = proxy.client().await;
    let headers = "host: cart\r\nconnection: x-private\r\nx-private: 1\r\nte: trailers\r\nx-id: 7";
    client
        .send(&format!(
            "GET http://cart/a?b=c HTTP/1.1\r\n{headers}\r\n\r\n"
        ))
        .await;
    let (_, seen) = client.receive().await;
    assert!(seen.starts_with("GET /a?b=c HTTP/1.1\r\n"), "{seen}");
    assert!(
        seen.contains("host: cart") && seen.contains("x-id: 7"),
        "{seen}"
    );
    assert!(!seen.contains("private") && !seen.contains("te:"), "{seen}");
}

#[tokio::test]
async fn connections_beyond_the_limit_are_told_so_and_freed_ones_serve_again() {
    let upstream = Upstream::start(true).await;
    let proxy = Proxy::start(1, &[&upstream]).await;
    let mut first = proxy.client().await;
    first.get("/").await;
    let (head, _) = proxy.client().await.get("/").await;
    assert!(
        head.starts_with("HTTP/1.1 503") && head.contains("too many connections"),
        "{head}"
    );
    drop(first);
    let start = Instant::now();
    while !proxy
        .client()
        .await
        .get("/")
        .await
        .0
        .starts_with("HTTP/1.1 200")
    {
        assert!(
            start.elapsed() < DEADLINE,
            "the slot of a closed connection was not freed"
        );
    }
}

#[tokio::test]
async fn stopping_closes_the_listener_and_lets_the_request_under_way_finish() {
    let upstream = Upstream::start(true).await;
    let proxy = Proxy::start(10, &[&upstream]).await;
    let mut slow = proxy.client().await;
    slow.send("GET /slow HTTP/1.1\r\nhost: web\r\n\r\n").await;
    eventually("request under way", || upstream.requests() == 1).await;
    proxy.stop.cancel();
    eventually("listener closed", || {
        std::net::TcpStream::connect(proxy.address).is_err()
    })
    .await;
    upstream.release.notify_one();
    assert!(slow.receive().await.0.starts_with("HTTP/1.1 200"));
    assert!(
        read_head(&mut slow.0).await.is_none(),
        "the connection closes after its last answer"
    );
}
