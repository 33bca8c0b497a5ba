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
/// `CaseLodged`: a case comes in, and nobody learns at whose wish.
pub const CASE_LODGED: &str = "case.lodged";
/// `ChildChanged`: a child is not what it was, for the case that has it.
pub const CASE_CHILD_CHANGED: &str = "case.child_changed";

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

/// `MessageTold`: a message for which a clock waits was delivered, or there is nobody to tell.
pub const MESSAGE_TOLD: &str = "message.told";

/// `EscalationRaised`: a level of a ladder fired.
pub const ESCALATION_RAISED: &str = "escalation.raised";
/// `EscalationRaised`: the level has taken notice.
pub const ESCALATION_ACKNOWLEDGED: &str = "escalation.acknowledged";

/// `RegistryChanged`: the reference data of a tenant.
pub const REGISTRY_CHANGED: &str = "registry.changed";

/// `WorkflowChanged`: an entity published a version of a package.
pub const WORKFLOW_PUBLISHED: &str = "workflow.published";
/// `WorkflowChanged`: no new case is opened in a version any more.
pub const WORKFLOW_RETIRED: &str = "workflow.retired";

/// Full name of the message that events of a type carry; none for a type that is not ours.
#[must_use]
pub fn message_of(kind: &str) -> Option<&'static str> {
    Some(match kind {
        CASE_SUBMITTED => "masar.events.v1.CaseSubmitted",
        CASE_OPENED | CASE_CHANGED => "masar.events.v1.CaseChanged",
        CASE_COMMENTED => "masar.events.v1.CaseCommented",
        CASE_LINKED => "masar.events.v1.CaseLinked",
        CASE_LODGED => "masar.events.v1.CaseLodged",
        CASE_CHILD_CHANGED => "masar.events.v1.ChildChanged",
        CLOCK_WARNED | CLOCK_BREACHED | CLOCK_OVERDUE => "masar.events.v1.ClockMarked",
        MESSAGE_TOLD => "masar.events.v1.MessageTold",
        REGISTRY_CHANGED => "masar.events.v1.RegistryChanged",
        WORKFLOW_PUBLISHED | WORKFLOW_RETIRED => "masar.events.v1.WorkflowChanged",
        kind if kind.starts_with("task.") => "masar.events.v1.TaskChanged",
        kind if kind.starts_with("clock.") => "masar.events.v1.ClockChanged",
        kind if kind.starts_with("escalation.") => "masar.events.v1.EscalationRaised",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_names_a_message_of_the_contracts() {
        let pool = crate::access::pool().unwrap();
        for kind in [
            CASE_SUBMITTED,
            CASE_CHANGED,
            CASE_COMMENTED,
            CASE_LINKED,
            CASE_LODGED,
            CASE_CHILD_CHANGED,
            CLOCK_BREACHED,
            MESSAGE_TOLD,
            REGISTRY_CHANGED,
            WORKFLOW_PUBLISHED,
            TASK_QUEUED,
            CLOCK_STARTED,
            ESCALATION_RAISED,
        ] {
            let name = message_of(kind).unwrap();
            assert!(pool.get_message_by_name(name).is_some(), "{kind}: {name}");
        }
        assert_eq!(message_of("weather.changed"), None);
    }
}
