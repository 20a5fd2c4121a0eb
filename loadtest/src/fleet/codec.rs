//! A gRPC codec that sends bytes that are encoded already, and reads the scaler's messages.

use bytes::{BufMut, Bytes};
use tonic::Status;
use tonic::codec::{BufferSettings, Codec, EncodeBuf, Encoder};
use tonic_prost::{ProstCodec, ProstDecoder};
use viperscale_proto::v1;

/// Room for outgoing bytes per stream; one report. The default, 8 KiB, and the room that it grows
/// to, would be some 100 MB over all agents.
const BUFFER: usize = 1024;
/// Bytes after which the encoder yields to the connection.
const YIELD: usize = 32 * 1024;

/// Sends [`Bytes`], each the encoding of one `AgentMessage`.
#[derive(Debug, Default)]
pub(super) struct Encoded;

/// See [`Encoded`].
#[derive(Debug)]
pub(super) struct AsTheyAre;

impl Codec for Encoded {
    type Encode = Bytes;
    type Decode = v1::ScalerMessage;
    type Encoder = AsTheyAre;
    type Decoder = ProstDecoder<v1::ScalerMessage>;

    fn encoder(&mut self) -> Self::Encoder {
        AsTheyAre
    }

    fn decoder(&mut self) -> Self::Decoder {
        ProstCodec::<v1::AgentMessage, v1::ScalerMessage>::raw_decoder(settings())
    }
}

impl Encoder for AsTheyAre {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, message: Bytes, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        out.reserve(message.len());
        out.put(message);
        Ok(())
    }

    fn buffer_settings(&self) -> BufferSettings {
        settings()
    }
}

fn settings() -> BufferSettings {
    BufferSettings::new(BUFFER, YIELD)
}
