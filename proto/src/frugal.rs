//! Protobuf over gRPC, sparing with memory: weighs a message before it is decoded, in small buffers.
//!
//! An empty nested message takes two bytes on the wire and a hundred and more in memory: a message of
//! 4 MiB can become some 290 MiB. So nested messages are counted first, along the fields in which
//! there may be many, and what has too many is refused before memory is taken for it.

use std::fmt;
use std::marker::PhantomData;

use prost::Message;
use prost::bytes::Buf;
use tonic::Status;
use tonic::codec::{BufferSettings, Codec, DecodeBuf, Decoder};
use tonic_prost::ProstCodec;

use crate::v1;

/// Nested messages that one message may have. 500 containers with every metric have 8,500; this many
/// take less than 10 MiB.
pub const MOST_NESTED: usize = 65_536;

/// Bytes that a stream's buffers start with and grow by.
///
/// tonic's default is 8 KiB for each direction of each stream: over 5,000 nodes 80 MB for streams
/// that receive a few kilobytes a second and send next to nothing.
const BUFFER: usize = 1024;
/// tonic's default: bytes after which encoded messages are handed to the connection.
const YIELD: usize = 32 * 1024;

/// Which fields of a message are messages themselves, by number.
#[derive(Debug)]
pub struct Shape(&'static [(u64, &'static Shape)]);

/// A message that can be weighed.
pub trait Frugal {
    /// Its nested messages.
    const SHAPE: &'static Shape;
}

const LEAF: Shape = Shape(&[]);

impl Frugal for v1::AgentMessage {
    const SHAPE: &'static Shape = {
        const HELLO: Shape = Shape(&[(6, &LEAF)]);
        const CONTAINER: Shape = Shape(&[(3, &LEAF), (4, &LEAF)]);
        const REPORT: Shape = Shape(&[(5, &LEAF), (6, &CONTAINER), (7, &LEAF)]);
        &Shape(&[(1, &HELLO), (2, &REPORT)])
    };
}

impl Frugal for v1::ScalerMessage {
    const SHAPE: &'static Shape = {
        const TARGET: Shape = Shape(&[(4, &LEAF)]);
        const CONFIGURATION: Shape = Shape(&[(3, &TARGET)]);
        &Shape(&[(1, &CONFIGURATION), (2, &LEAF)])
    };
}

/// Why a message is not decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// More than [`MOST_NESTED`] nested messages.
    TooMany,
    /// The bytes are no message.
    Malformed,
}

impl fmt::Display for Refused {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refused::TooMany => write!(
                formatter,
                "the message has more than {MOST_NESTED} parts; report fewer containers or metrics"
            ),
            Refused::Malformed => formatter.write_str("the bytes are no message of this protocol"),
        }
    }
}

impl std::error::Error for Refused {}

/// Counts the nested messages of an encoded `M`. Takes one pass and no memory.
///
/// # Errors
/// When there are more than [`MOST_NESTED`], or the bytes are none of a message.
pub fn weigh<M: Frugal>(bytes: &[u8]) -> Result<usize, Refused> {
    let mut left = MOST_NESTED;
    count(bytes, M::SHAPE, &mut left)?;
    Ok(MOST_NESTED - left)
}

/// As deep as the shape, which is no deeper than three.
fn count(mut bytes: &[u8], shape: &Shape, left: &mut usize) -> Result<(), Refused> {
    while !bytes.is_empty() {
        let key = varint(&mut bytes)?;
        let length = match key & 7 {
            0 => {
                varint(&mut bytes)?;
                continue;
            }
            1 => 8,
            2 => varint(&mut bytes)?,
            5 => 4,
            // Groups are of another age, and could hide what follows them.
            _ => return Err(Refused::Malformed),
        };
        let length = usize::try_from(length).map_err(|_| Refused::Malformed)?;
        let (inside, rest) = bytes.split_at_checked(length).ok_or(Refused::Malformed)?;
        bytes = rest;
        let nested = shape.0.iter().find(|(field, _)| *field == key >> 3);
        if let (2, Some((_, nested))) = (key & 7, nested) {
            *left = left.checked_sub(1).ok_or(Refused::TooMany)?;
            count(inside, nested, left)?;
        }
    }
    Ok(())
}

fn varint(bytes: &mut &[u8]) -> Result<u64, Refused> {
    prost::encoding::decode_varint(bytes).map_err(|_| Refused::Malformed)
}

/// [`ProstCodec`], which weighs before it decodes, with small buffers; the generated code uses it.
#[derive(Debug)]
pub struct FrugalCodec<T, U>(PhantomData<(T, U)>);

/// The decoder of [`FrugalCodec`].
#[derive(Debug)]
pub struct FrugalDecoder<D>(D);

impl<T, U> Default for FrugalCodec<T, U> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T, U> Codec for FrugalCodec<T, U>
where
    T: Message + Send + 'static,
    U: Message + Frugal + Default + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = <ProstCodec<T, U> as Codec>::Encoder;
    type Decoder = FrugalDecoder<<ProstCodec<T, U> as Codec>::Decoder>;

    fn encoder(&mut self) -> Self::Encoder {
        ProstCodec::<T, U>::raw_encoder(BufferSettings::new(BUFFER, YIELD))
    }

    fn decoder(&mut self) -> Self::Decoder {
        FrugalDecoder(ProstCodec::<T, U>::raw_decoder(BufferSettings::new(
            BUFFER, YIELD,
        )))
    }
}

impl<D> Decoder for FrugalDecoder<D>
where
    D: Decoder<Error = Status>,
    D::Item: Frugal,
{
    type Item = D::Item;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Self::Item>, Status> {
        // The buffer is one piece, as long as the message.
        if buffer.chunk().len() != buffer.remaining() {
            return Err(Status::internal("a message in pieces cannot be weighed"));
        }
        weigh::<D::Item>(buffer.chunk()).map_err(|refused| match refused {
            Refused::TooMany => Status::resource_exhausted(refused.to_string()),
            Refused::Malformed => Status::invalid_argument(refused.to_string()),
        })?;
        self.0.decode(buffer)
    }

    fn buffer_settings(&self) -> BufferSettings {
        self.0.buffer_settings()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use v1::{agent_message, scaler_message};

    fn agent(message: agent_message::Message) -> Vec<u8> {
        let message = Some(message);
        v1::AgentMessage { message }.encode_to_vec()
    }

    #[test]
    fn every_nested_message_is_counted() {
        let container = v1::ContainerSample {
            metrics: vec![v1::MetricSample::default(); 3],
            scheduling: Some(v1::Scheduling::default()),
            ..v1::ContainerSample::default()
        };
        let report = v1::Report {
            node: Some(v1::NodeSample::default()),
            containers: vec![container; 2],
            missing: vec![v1::MissingTarget::default(); 5],
            ..v1::Report::default()
        };
        let bytes = agent(agent_message::Message::Report(report));
        assert_eq!(
            weigh::<v1::AgentMessage>(&bytes),
            Ok(1 + 1 + 2 * (1 + 3 + 1) + 5)
        );

        let hello = v1::Hello {
            metrics: vec![v1::MetricSupport::default(); 4],
            ..v1::Hello::default()
        };
        let bytes = agent(agent_message::Message::Hello(hello));
        assert_eq!(weigh::<v1::AgentMessage>(&bytes), Ok(1 + 4));

        let target = v1::Target {
            metrics: vec![v1::MetricSetting::default(); 2],
            ..v1::Target::default()
        };
        let configuration = v1::Configuration {
            targets: vec![target; 3],
            ..v1::Configuration::default()
        };
        let message = Some(scaler_message::Message::Configuration(configuration));
        let bytes = v1::ScalerMessage { message }.encode_to_vec();
        assert_eq!(weigh::<v1::ScalerMessage>(&bytes), Ok(1 + 3 * (1 + 2)));
    }

    #[test]
    fn what_would_take_much_memory_is_refused() {
        let report = v1::Report {
            containers: vec![v1::ContainerSample::default(); MOST_NESTED],
            ..v1::Report::default()
        };
        let bytes = agent(agent_message::Message::Report(report));
        assert!(bytes.len() < 3 * MOST_NESTED, "two bytes each");
        assert_eq!(weigh::<v1::AgentMessage>(&bytes), Err(Refused::TooMany));
    }

    #[test]
    fn broken_bytes_and_groups_are_refused() {
        for bytes in [
            &[0x12][..],
            &[0x12, 5, 0],
            &[0x13, 0x14],
            &[0xff; 11],
            &[0x09, 1],
        ] {
            assert_eq!(weigh::<v1::AgentMessage>(bytes), Err(Refused::Malformed));
        }
    }
}
