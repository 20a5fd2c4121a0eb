//! What the simulated agents send, encoded before the run.
//!
//! Encoding 150,000 samples a second would cost the simulator as much as decoding costs the scaler,
//! on the same two cores. Protobuf makes it cheap: the encodings of two parts of a message, one
//! after the other, are the encoding of the whole. So the names of a node's containers are encoded
//! once, what containers did is encoded once for a few variants, and a report is glued together
//! from them, byte for byte what a real agent's would be.

use bytes::{BufMut, Bytes, BytesMut};
use prost::Message;
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint, key_len};
use viperscale_proto::v1;

use super::plan::{CONTAINER, Kind, Plan, node_name, uid};
use super::policies::{FAULTS_PER_SECOND, WINDOW_SECONDS};

/// The interval of every report.
const INTERVAL_NS: u64 = 1_000_000_000;
/// CPUs of a node.
const CPUS: u32 = 16;
/// Variants of what a calm container does, so that no two neighbours are the same.
const VARIANTS: u32 = 8;
/// How far above its threshold a hot sample lifts the mean of its deployment: beyond the HPA's
/// tolerance of a tenth.
const EXCESS: f64 = 0.26;
/// `AgentMessage.report` and `Report.containers`.
const REPORT: u32 = 2;
const CONTAINERS: u32 = 6;

/// What containers did, encoded without their names.
#[derive(Debug)]
pub(super) struct Samples {
    calm: Vec<Bytes>,
    hot: Bytes,
}

/// The names of one node's containers, encoded.
#[derive(Debug)]
pub(super) struct Names(Vec<Bytes>);

impl Samples {
    /// For deployments of `pods` pods.
    pub(super) fn new(pods: u32) -> Self {
        // The rate of a deployment is the mean over its pods and over the window.
        let share = FAULTS_PER_SECOND as f64 * WINDOW_SECONDS as f64 * f64::from(pods);
        let burst = (EXCESS * share).ceil() as u64;
        let encode = |variant, faults| Bytes::from(sample(variant, faults).encode_to_vec());
        Self {
            calm: (0..VARIANTS)
                .map(|variant| encode(variant, FAULTS_PER_SECOND))
                .collect(),
            hot: encode(0, FAULTS_PER_SECOND + burst),
        }
    }
}

impl Names {
    pub(super) fn of(plan: Plan, node: u32) -> Self {
        let name = |pod| {
            let names = v1::ContainerSample {
                pod_uid: uid(Kind::Pod, pod),
                container_name: CONTAINER.to_owned(),
                ..v1::ContainerSample::default()
            };
            Bytes::from(names.encode_to_vec())
        };
        Self(plan.pods_on(node).map(name).collect())
    }
}

/// The first message of a stream.
pub(super) fn hello(node: u32) -> Bytes {
    let supported = [
        v1::Metric::OnCpuTime,
        v1::Metric::RunqLatency,
        v1::Metric::UserPageFaults,
        v1::Metric::SentBytes,
    ];
    let hello = v1::Hello {
        node_name: node_name(node),
        agent_version: "fleet".to_owned(),
        kernel_release: "6.18.0-fleet".to_owned(),
        boot_id: uid(Kind::Node, node),
        cpus: CPUS,
        metrics: supported
            .map(|metric| v1::MetricSupport {
                metric: metric.into(),
                support: v1::Support::Supported.into(),
                detail: String::new(),
            })
            .to_vec(),
        instance: "1".to_owned(),
    };
    let message = v1::AgentMessage {
        message: Some(v1::agent_message::Message::Hello(hello)),
    };
    Bytes::from(message.encode_to_vec())
}

/// Which report it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Numbers {
    /// On its stream, from 1.
    pub(super) sequence: u64,
    /// Of the agent's intervals, over all streams, from 1.
    pub(super) interval: u64,
    /// Of the configuration that it follows.
    pub(super) revision: u64,
}

/// A report of all containers. The one in row `hot`, if any, has crossed the threshold.
pub(super) fn report(
    samples: &Samples,
    names: &Names,
    numbers: Numbers,
    hot: Option<usize>,
) -> Bytes {
    let Numbers {
        sequence,
        interval,
        revision,
    } = numbers;
    let header = v1::Report {
        sequence,
        interval_ns: INTERVAL_NS,
        interval_number: interval,
        configuration_revision: revision,
        node: Some(v1::NodeSample {
            cpus: CPUS,
            busy_ns: u64::from(CPUS) * INTERVAL_NS / 3,
            stolen_ns: 0,
            cpu_pressure_ns: INTERVAL_NS / 50,
        }),
        ..v1::Report::default()
    };
    let variant = |row: usize| {
        let calm = || &samples.calm[(row + sequence as usize) % samples.calm.len()];
        if hot == Some(row) {
            &samples.hot
        } else {
            calm()
        }
    };
    let containers = || names.0.iter().enumerate();
    let length = |row, name: &Bytes| name.len() + variant(row).len();
    let body: usize = header.encoded_len()
        + containers()
            .map(|(row, name)| framed_len(CONTAINERS, length(row, name)))
            .sum::<usize>();

    let mut message = BytesMut::with_capacity(framed_len(REPORT, body));
    frame(REPORT, body, &mut message);
    // Room was made for all of it, without which this is an error.
    let _ = header.encode(&mut message);
    for (row, name) in containers() {
        frame(CONTAINERS, length(row, name), &mut message);
        message.put_slice(name);
        message.put_slice(variant(row));
    }
    message.freeze()
}

fn frame(field: u32, length: usize, out: &mut BytesMut) {
    encode_key(field, WireType::LengthDelimited, out);
    encode_varint(length as u64, out);
}

fn framed_len(field: u32, length: usize) -> usize {
    key_len(field) + encoded_len_varint(length as u64) + length
}

/// A container at a fifth of its limit, whose threads wait for less than a millisecond.
fn sample(variant: u32, faults: u64) -> v1::ContainerSample {
    let more = u64::from(variant);
    let counts: Vec<u64> = (0..20_u64)
        .map(|bucket| match bucket {
            0..8 => 0,
            8..14 => 20 * (bucket - 7) + more,
            _ => 12 * (20 - bucket),
        })
        .collect();
    let waits: u64 = counts.iter().sum();
    let wait_ns: u64 = counts
        .iter()
        .zip(0_u32..)
        .map(|(count, bucket)| count * (3_u64 << bucket) / 2)
        .sum();
    v1::ContainerSample {
        metrics: vec![
            v1::MetricSample {
                metric: v1::Metric::RunqLatency.into(),
                count: waits,
                sum: wait_ns,
                log2_buckets: counts,
                sampling: 1.0,
                relative_error: 0.0,
            },
            v1::MetricSample {
                metric: v1::Metric::UserPageFaults.into(),
                count: faults,
                sum: faults,
                log2_buckets: Vec::new(),
                sampling: 1.0,
                relative_error: 0.0,
            },
        ],
        scheduling: Some(v1::Scheduling {
            on_cpu_ns: 100_000_000 + 1_000_000 * more,
            wait_ns,
            voluntary_switches: waits * 9 / 10,
            involuntary_switches: waits / 10,
            throttled_ns: 0,
            throttled_periods: 0,
            quota_periods: 10,
        }),
        ..v1::ContainerSample::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(hot: Option<usize>) -> v1::Report {
        let plan = Plan::new(10, 3, Some(3));
        let (samples, names) = (Samples::new(10), Names::of(plan, 4));
        let numbers = Numbers {
            sequence: 300,
            interval: 400,
            revision: 7,
        };
        let bytes = report(&samples, &names, numbers, hot);
        match v1::AgentMessage::decode(bytes).unwrap().message {
            Some(v1::agent_message::Message::Report(report)) => report,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_is_glued_together_is_what_prost_reads() {
        let report = decoded(None);
        assert_eq!((report.sequence, report.configuration_revision), (300, 7));
        assert_eq!(report.interval_number, 400);
        assert_eq!(report.node.unwrap().cpus, CPUS);
        let uids: Vec<&str> = report
            .containers
            .iter()
            .map(|c| c.pod_uid.as_str())
            .collect();
        assert_eq!(uids, [4, 14, 24].map(|pod| uid(Kind::Pod, pod)));
        for (row, container) in report.containers.iter().enumerate() {
            let mut expected = sample((row as u32 + 300) % VARIANTS, FAULTS_PER_SECOND);
            expected.pod_uid = container.pod_uid.clone();
            expected.container_name = CONTAINER.to_owned();
            assert_eq!(*container, expected);
        }
    }

    #[test]
    fn a_hot_container_lifts_its_deployment_beyond_the_tolerance() {
        let report = decoded(Some(1));
        let faults: Vec<u64> = report
            .containers
            .iter()
            .map(|c| c.metrics[1].count)
            .collect();
        assert_eq!(faults[0], FAULTS_PER_SECOND);
        // Ten pods, of which one is hot in one of the five seconds of its window.
        let extra = (faults[1] - FAULTS_PER_SECOND) as f64 / 5.0 / 10.0;
        assert!((extra / FAULTS_PER_SECOND as f64 - EXCESS).abs() < 0.001);
    }
}
