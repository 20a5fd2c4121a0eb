//! The service proxy, fed by Services and EndpointSlices of the API.

use std::net::SocketAddr;

use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::support::{Cluster, TestNode, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn requests_to_a_service_reach_its_ready_endpoints_only() {
    const NODE: &str = "test-services";
    let cluster = Cluster::start().await;
    let node = TestNode::start(&cluster, NODE, 29).await;
    let services = Api::<Service>::default_namespaced(cluster.client.clone());
    let slices = Api::<EndpointSlice>::default_namespaced(cluster.client.clone());
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"},
        "spec": {"clusterIP": "127.96.200.1", "ports": [{"name": "http", "port": 18_081}]},
    });
    services
        .create(
            &PostParams::default(),
            &serde_json::from_value(service).unwrap(),
        )
        .await
        .unwrap();
    let address: SocketAddr = "127.96.200.1:18081".parse().unwrap();
    let refused = eventually("listening", async || get(address).await).await;
    assert!(refused.starts_with("HTTP/1.1 503"), "{refused}");
    assert!(refused.contains("x-viperscale-proxy: service default/web has no ready endpoint"));

    let server = TcpListener::bind("127.29.100.1:0").await.unwrap();
    let upstream = server.local_addr().unwrap();
    tokio::spawn(answer_forever(server));
    let slice = json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
        "metadata": {"name": "web-1", "labels": {"kubernetes.io/service-name": "web"}},
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": upstream.port()}],
        "endpoints": [{"addresses": [upstream.ip()], "conditions": {"ready": true}}],
    });
    slices
        .create(
            &PostParams::default(),
            &serde_json::from_value(slice).unwrap(),
        )
        .await
        .unwrap();
    eventually("endpoint used", async || {
        get(address).await.filter(|text| text.ends_with("hello"))
    })
    .await;

    let unready =
        json!({"endpoints": [{"addresses": [upstream.ip()], "conditions": {"ready": false}}]});
    slices
        .patch("web-1", &PatchParams::default(), &Patch::Merge(unready))
        .await
        .unwrap();
    eventually("endpoint no longer used", async || {
        get(address)
            .await
            .filter(|text| text.starts_with("HTTP/1.1 503"))
    })
    .await;

    services.delete("web", &Default::default()).await.unwrap();
    eventually("listener closed", async || {
        TcpStream::connect(address).await.err()
    })
    .await;
    node.stop().await;
}

/// One request on a connection of its own; `None` when nobody listens.
async fn get(address: SocketAddr) -> Option<String> {
    let mut stream = TcpStream::connect(address).await.ok()?;
    stream
        .write_all(b"GET / HTTP/1.1\r\nhost: web\r\nconnection: close\r\n\r\n")
        .await
        .ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).await.ok()?;
    Some(text)
}

async fn answer_forever(server: TcpListener) {
    loop {
        let (mut stream, _) = server.accept().await.unwrap();
        tokio::spawn(async move {
            let mut buffer = [0; 4096];
            while stream
                .read(&mut buffer)
                .await
                .is_ok_and(|length| length > 0)
            {
                stream
                    .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello")
                    .await
                    .unwrap();
            }
        });
    }
}
