//! The one way from a refusal to what the caller sees: a gRPC status with details that programs can read.

use std::collections::HashMap;
use std::time::Duration;

use masar_proto::common::v1::{FieldViolation as Violation, Rejection};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt};

const DOMAIN: &str = "masar";
/// What the details of a refusal may come to: they travel as a header, of which clients take 16 KiB in all.
const REFUSAL_BYTES: usize = 6 << 10;

/// Fields that are not as they should be: all of them, by name.
#[must_use]
pub fn invalid(violations: Vec<(String, String)>) -> Status {
    let message =
        violations.iter().map(|(field, what)| format!("{field}: {what}")).collect::<Vec<_>>().join("; ");
    let violations: Vec<_> =
        violations.into_iter().map(|(field, what)| FieldViolation::new(field, what)).collect();
    let mut details = ErrorDetails::with_bad_request(violations);
    details.set_error_info("INVALID", DOMAIN, HashMap::new());
    Status::with_error_details(Code::InvalidArgument, message, details)
}

/// One of the things that are wrong with a text of many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Where it stands, such as `workflow.yaml:12:5`.
    pub place: String,
    /// Its stable code.
    pub code: String,
    /// What is wrong, and what was expected.
    pub message: String,
}

/// Texts that are not as they should be: the first of what was found, by place, as far as a refusal carries it.
#[must_use]
pub fn found(what: &str, all: Vec<Found>) -> Status {
    let count = all.len();
    let mut room = REFUSAL_BYTES;
    let told = all.into_iter().take_while(|found| {
        let bytes = found.place.len() + found.code.len() + found.message.len();
        room = room.saturating_sub(bytes);
        room > 0
    });
    let violation = |found: Found| FieldViolation {
        reason: found.code,
        ..FieldViolation::new(found.place, found.message)
    };
    let violations: Vec<_> = told.map(violation).collect();
    let rest = match count - violations.len() {
        0 => String::new(),
        rest => format!(", and {rest} more that find no room in this answer"),
    };
    let message = format!("{what} cannot be used: {} things are wrong with it{rest}", violations.len());
    let mut details = ErrorDetails::with_bad_request(violations);
    details.set_error_info("INVALID", DOMAIN, HashMap::new());
    Status::with_error_details(Code::InvalidArgument, message, details)
}

/// What `found` said, as the caller reads it.
#[must_use]
pub fn findings(status: &Status) -> Vec<Found> {
    let wrong = status.get_details_bad_request().map(|wrong| wrong.field_violations).unwrap_or_default();
    let found =
        |wrong: FieldViolation| Found { place: wrong.field, code: wrong.reason, message: wrong.description };
    wrong.into_iter().map(found).collect()
}

/// There is no such thing, or the caller may not know of it.
#[must_use]
pub fn not_found(what: &str, key: &str) -> Status {
    with_info(Code::NotFound, "NOT_FOUND", format!("there is no {what} `{key}` that you may see"))
}

/// The state of things does not allow it; `code` is stable.
#[must_use]
pub fn refused(code: &str, message: impl Into<String>) -> Status {
    with_info(Code::FailedPrecondition, code, message)
}

/// The caller may not do this.
#[must_use]
pub fn denied(code: &str, message: impl Into<String>) -> Status {
    with_info(Code::PermissionDenied, code, message)
}

/// Somebody was faster: read again and decide anew.
#[must_use]
pub fn aborted(code: &str, message: impl Into<String>) -> Status {
    with_info(Code::Aborted, code, message)
}

/// It cannot be done now; trying again later can help.
#[must_use]
pub fn unavailable(message: impl Into<String>) -> Status {
    with_info(Code::Unavailable, "UNAVAILABLE", message)
}

/// Nobody knows who calls.
#[must_use]
pub fn unauthenticated(message: impl Into<String>) -> Status {
    with_info(Code::Unauthenticated, "UNAUTHENTICATED", message)
}

/// More was offered than can be taken; nothing was kept.
#[must_use]
pub fn overloaded(retry_after: Duration) -> Status {
    let mut details = ErrorDetails::with_retry_info(Some(retry_after));
    details.set_error_info("OVERLOADED", DOMAIN, HashMap::new());
    let message = format!("too much is waiting: try again in {} ms", retry_after.as_millis());
    Status::with_error_details(Code::ResourceExhausted, message, details)
}

/// Our own failure: logged here, once, and told without its details.
#[must_use]
pub fn internal(error: &dyn std::error::Error) -> Status {
    tracing::error!(%error, cause = error.source().map(tracing::field::display), "a call failed");
    with_info(Code::Internal, "INTERNAL", "something went wrong here; it is in the log of the service")
}

fn with_info(code: Code, reason: &str, message: impl Into<String>) -> Status {
    let details = ErrorDetails::with_error_info(reason, DOMAIN, HashMap::new());
    Status::with_error_details(code, message, details)
}

/// A refusal as it is told of one item among many; none of what concerns all: our own failures, and that it cannot be done
/// now.
#[must_use]
pub fn rejection(status: &Status) -> Option<Rejection> {
    let all =
        [Code::Internal, Code::Unavailable, Code::ResourceExhausted, Code::Unauthenticated, Code::Unknown];
    if all.contains(&status.code()) {
        return None;
    }
    let wrong =
        status.get_details_bad_request().map(|wrong| wrong.field_violations).unwrap_or_default().into_iter();
    let wrong = wrong.map(|wrong| Violation { field: wrong.field, message: wrong.description });
    Some(Rejection {
        code: reason(status).unwrap_or_default(),
        message: status.message().to_owned(),
        violations: wrong.collect(),
    })
}

/// The stable code of a refusal that one of these functions made.
#[must_use]
pub fn reason(status: &Status) -> Option<String> {
    status.get_details_error_info().map(|info| info.reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_wrong_field_is_named() {
        let status =
            invalid(vec![("intake.channel".into(), "is missing".into()), ("x".into(), "is odd".into())]);
        let fields: Vec<_> = status
            .get_details_bad_request()
            .unwrap()
            .field_violations
            .into_iter()
            .map(|violation| violation.field)
            .collect();
        assert_eq!(fields, ["intake.channel", "x"]);
        assert_eq!(reason(&status).as_deref(), Some("INVALID"));
    }

    #[test]
    fn of_many_items_one_is_rejected_for_what_is_wrong_with_it() {
        let rejected = rejection(&invalid(vec![("note".into(), "is missing".into())])).unwrap();
        assert_eq!((rejected.code.as_str(), rejected.violations[0].field.as_str()), ("INVALID", "note"));
        assert_eq!(rejection(&denied("ROLE", "no")).map(|rejected| rejected.code).as_deref(), Some("ROLE"));
        assert_eq!(rejection(&overloaded(Duration::ZERO)), None);
    }

    #[test]
    fn what_was_found_comes_back_by_place_and_code_as_far_as_there_is_room() {
        let found = |number: usize| Found {
            place: format!("workflow.yaml:{number}:5"),
            code: "UNKNOWN_STATE".into(),
            message: "x".repeat(100),
        };
        let few = super::found("the package", (0..3).map(found).collect());
        assert_eq!(few.message(), "the package cannot be used: 3 things are wrong with it");
        assert_eq!((findings(&few).len(), findings(&few).pop()), (3, Some(found(2))));
        let many = super::found("the package", (0..1_000).map(found).collect());
        assert!(
            (20..100).contains(&findings(&many).len()) && many.message().contains(" more that find no room")
        );
        assert!(many.details().len() < 12 << 10, "{}", many.details().len());
    }

    #[test]
    fn overload_says_when_to_try_again() {
        let status = overloaded(Duration::from_millis(250));
        assert_eq!(status.get_details_retry_info().unwrap().retry_delay, Some(Duration::from_millis(250)));
    }
}
