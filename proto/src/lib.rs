//! The contracts of Masar, generated from `masar/<service>/v1/*.proto`, and the conversions that all services share.

pub mod access;
mod clocks;
pub mod json;
pub mod kinds;
mod people;
pub mod time;
mod words;

/// All contracts with their options, as reflection serves them.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

/// The generated code of one service's contract.
macro_rules! contract {
    ($($name:ident),+ $(,)?) => {$(
        #[allow(missing_docs, unreachable_pub, rust_2018_idioms, clippy::all, clippy::too_many_lines, reason = "generated code")]
        #[doc = concat!("Messages and services of `masar.", stringify!($name), "`; the proto files carry the comments.")]
        pub mod $name {
            /// Version 1.
            #[allow(clippy::allow_attributes_without_reason, reason = "generated code")]
            pub mod v1 {
                include!(concat!(env!("OUT_DIR"), "/masar.", stringify!($name), ".v1.rs"));
            }
        }
    )+};
}

contract!(bus, cases, common, escalation, events, intake, notify, operations, registry, routing, sla);
