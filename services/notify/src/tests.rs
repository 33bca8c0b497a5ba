//! Tests of the service as a whole, fed as the bus feeds it.

mod api;
mod case;
mod house;
mod lease;
mod mail;
mod people;
mod smtp;
mod told;
mod webhooks;
