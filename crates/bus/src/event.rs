//! An event, and its form on the wire: a CloudEvent in protobuf.

use bytes::Bytes;
use jiff::Timestamp;
use masar_proto::bus::v1::CloudEvent;
use masar_proto::time;
use uuid::Uuid;

use crate::{Error, trace};

/// Something that happened in a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Consumers act on each id once.
    pub id: Uuid,
    /// The service that wrote it; the outbox fills it in.
    pub source: String,
    /// What happened: one of `masar_proto::kinds`.
    pub kind: String,
    /// The government entity that it belongs to.
    pub tenant: String,
    /// What it happened to, such as the id of a case; events of one subject stay in order.
    pub subject: String,
    /// When.
    pub time: Timestamp,
    /// W3C trace context of the work that caused it.
    pub traceparent: Option<String>,
    /// The protobuf message that the kind names.
    pub data: Bytes,
}

impl Event {
    /// An event caused by the current work.
    #[must_use]
    pub fn new(
        kind: &str,
        tenant: &str,
        subject: &impl ToString,
        time: Timestamp,
        message: &impl prost::Message,
    ) -> Self {
        Self {
            id: Uuid::now_v7(),
            source: String::new(),
            kind: kind.to_owned(),
            tenant: tenant.to_owned(),
            subject: subject.to_string(),
            time,
            traceparent: trace::current(),
            data: message.encode_to_vec().into(),
        }
    }

    /// The message that the event carries.
    ///
    /// # Errors
    /// `Data` when it is another message.
    pub fn decode<M: prost::Message + Default>(&self) -> Result<M, Error> {
        M::decode(self.data.clone()).map_err(|error| self.unreadable(&error.to_string()))
    }

    /// Does work that the event causes in a service: what it makes known belongs to the trace of what caused the event.
    pub fn cause<T>(&self, service: &str, work: impl FnOnce() -> T) -> T {
        let Some(traceparent) = &self.traceparent else { return work() };
        let span = tracing::info_span!("handle", service, kind = self.kind, subject = self.subject);
        trace::follow(&span, traceparent);
        span.in_scope(work)
    }

    /// An error that says which event cannot be read.
    #[must_use]
    pub fn unreadable(&self, problem: &str) -> Error {
        Error::Data { kind: self.kind.clone(), problem: problem.to_owned() }
    }
}

impl From<Event> for CloudEvent {
    fn from(event: Event) -> Self {
        Self {
            id: event.id.to_string(),
            source: event.source,
            spec_version: "1.0".to_owned(),
            r#type: event.kind,
            subject: event.subject,
            tenant: event.tenant,
            time: Some(time::to_proto(event.time)),
            traceparent: event.traceparent.unwrap_or_default(),
            data: event.data,
        }
    }
}

impl TryFrom<CloudEvent> for Event {
    type Error = Error;

    fn try_from(event: CloudEvent) -> Result<Self, Error> {
        let unreadable =
            |problem: &str| Error::Data { kind: event.r#type.clone(), problem: problem.to_owned() };
        Ok(Self {
            id: event.id.parse().map_err(|_| unreadable("its id is no UUID"))?,
            time: time::from_proto(event.time.as_ref()).ok_or_else(|| unreadable("it has no time"))?,
            source: event.source,
            kind: event.r#type,
            tenant: event.tenant,
            subject: event.subject,
            traceparent: Some(event.traceparent).filter(|text| !text.is_empty()),
            data: event.data,
        })
    }
}
