//! Messages of the contracts as JSON, with the names of their proto files.

use anyhow::{Context, Result};
use prost::Message;
use prost_reflect::{DynamicMessage, SerializeOptions};
use serde_json::Value;

/// A message as JSON.
pub(crate) fn of(message: &impl Message, name: &str) -> Result<Value> {
    of_bytes(&message.encode_to_vec(), name)
}

/// An encoded message as JSON.
pub(crate) fn of_bytes(bytes: &[u8], name: &str) -> Result<Value> {
    let pool = masar_proto::access::pool()?;
    let descriptor = pool.get_message_by_name(name).with_context(|| format!("{name} is no message"))?;
    let message = DynamicMessage::decode(descriptor, bytes)?;
    let options = SerializeOptions::new().use_proto_field_name(true).stringify_64_bit_integers(false);
    Ok(message.serialize_with_options(serde_json::value::Serializer, &options)?)
}
