//! What the words of a clock mean: the one rule for all services.

use crate::events::v1::ClockState;

impl ClockState {
    /// The phases of a clock that counts, or will again.
    pub const OPEN: [&str; 2] = ["running", "paused"];
    /// The kind of clocks that promise nothing to anybody (T14): a time for something, whose end breaks nothing.
    pub const WINDOW: &str = "window";

    /// True while the clock counts or stands still.
    #[must_use]
    pub fn is_open(&self) -> bool {
        Self::OPEN.contains(&self.phase.as_str())
    }

    /// True when the clock is nobody's promise.
    #[must_use]
    pub fn is_window(&self) -> bool {
        self.kind == Self::WINDOW
    }
}
