//! The words of Masar: what every other crate means by importance, state category, reference or tenant.
//!
//! Pure: no clock on the wall, no random numbers, no I/O.

pub mod identity;
pub mod reference;
pub mod text;
pub mod words;

pub use identity::{Identity, Role, TenantCode};
pub use reference::{CaseKey, Reference};
pub use words::{BiText, CaseId, Importance, Language, StateCategory};
