//! Masar as one program: the services wired together, and the command line that people use.

mod bench;
pub mod cli;
pub mod credentials;
pub mod demo;
mod json;
mod operations;
pub mod platform;
