//! What holds for logs, drafts and replays.

mod drafts;
mod formats;
mod real;
