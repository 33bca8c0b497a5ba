//! The event types that cross the bus; each names the message of `masar.events.v1` that it carries.

/// `CaseSubmitted`: intake accepted a case.
pub const CASE_SUBMITTED: &str = "case.submitted";
/// `CaseChanged`: a case began.
pub const CASE_OPENED: &str = "case.opened";
/// `CaseChanged`: a transition was fired.
pub const CASE_CHANGED: &str = "case.changed";
/// `CaseCommented`.
pub const CASE_COMMENTED: &str = "case.commented";
/// `CaseLinked`.
pub const CASE_LINKED: &str = "case.linked";

/// `TaskChanged`: a case came into a queue.
pub const TASK_QUEUED: &str = "task.queued";
/// `TaskChanged`: a person took it.
pub const TASK_CLAIMED: &str = "task.claimed";
/// `TaskChanged`: a person put it back.
pub const TASK_RELEASED: &str = "task.released";
/// `TaskChanged`: a person was given it.
pub const TASK_ASSIGNED: &str = "task.assigned";
/// `TaskChanged`: it went to another queue.
pub const TASK_REROUTED: &str = "task.rerouted";
/// `TaskChanged`: nobody needs to act any more.
pub const TASK_CLOSED: &str = "task.closed";

/// `ClockChanged`: a clock began to count.
pub const CLOCK_STARTED: &str = "clock.started";
/// `ClockChanged`: it stands still.
pub const CLOCK_PAUSED: &str = "clock.paused";
/// `ClockChanged`: it counts again.
pub const CLOCK_RESUMED: &str = "clock.resumed";
/// `ClockChanged`: its target or calendar changed.
pub const CLOCK_RETARGETED: &str = "clock.retargeted";
/// `ClockChanged`: more time was granted.
pub const CLOCK_EXTENDED: &str = "clock.extended";
/// `ClockChanged`: what was promised was done.
pub const CLOCK_COMPLETED: &str = "clock.completed";
/// `ClockChanged`: it no longer matters.
pub const CLOCK_CANCELLED: &str = "clock.cancelled";
/// `ClockMarked`: a share of the target has passed.
pub const CLOCK_WARNED: &str = "clock.warned";
/// `ClockMarked`: the due time has passed.
pub const CLOCK_BREACHED: &str = "clock.breached";
/// `ClockMarked`: some time has passed since the breach.
pub const CLOCK_OVERDUE: &str = "clock.overdue";

/// `EscalationRaised`: a level of a ladder fired.
pub const ESCALATION_RAISED: &str = "escalation.raised";
/// `EscalationRaised`: the level has taken notice.
pub const ESCALATION_ACKNOWLEDGED: &str = "escalation.acknowledged";

/// `RegistryChanged`: the reference data of a tenant.
pub const REGISTRY_CHANGED: &str = "registry.changed";
