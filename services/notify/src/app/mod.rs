//! Telling: what an event says to whom, as deliveries that the workers then make.

mod core;
mod occasion;
mod payload;
mod quiet;
mod recipients;
mod text;
mod told;

pub(crate) use self::core::Core;
pub(crate) use occasion::{Occasion, What};
pub(crate) use told::told;
