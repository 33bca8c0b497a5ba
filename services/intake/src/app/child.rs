//! Children: cases that a transition of another case asks for.

use jiff::Timestamp;
use masar_packages::Packages;
use masar_proto::events::v1::{CaseSnapshot, CaseSubmitted, ChildEffect};
use masar_proto::{json, time};
use tracing::Span;
use uuid::Uuid;

use super::{Error, Submission};

/// The submission of a child, which is the same however often its parent's event comes.
pub(crate) fn child(
    packages: &Packages,
    parent: &CaseSnapshot,
    asked: ChildEffect,
    actor: &str,
    at: Timestamp,
) -> Result<Submission, Error> {
    let catalog = packages.of(&parent.tenant);
    let known = || catalog.packages().map(|package| package.definition().package.clone()).collect::<Vec<_>>();
    let package = catalog.in_force(&asked.package);
    let package = package.ok_or_else(|| Error::CaseType(asked.package.clone(), known().join(", ")))?;
    let definition = package.definition();
    let form = json::from_struct(asked.form.clone().unwrap_or_default());
    let wrong = package.violations(&definition.opening_form, &form).into_iter();
    let wrong: Vec<_> = wrong.map(|violation| (violation.field, violation.message)).collect();
    if !wrong.is_empty() {
        return Err(Error::Invalid(wrong));
    }
    let (parent_id, version) = (&parent.case_id, parent.version);
    Ok(Submission {
        dedup_key: format!(
            "{}\u{1f}child\u{1f}{parent_id}\u{1f}{version}\u{1f}{}\u{1f}{}\u{1f}{}",
            parent.tenant, asked.package, asked.link, asked.number
        ),
        received_at: at,
        accepted_at: at,
        span: Span::current(),
        event: CaseSubmitted {
            case_id: Uuid::now_v7().to_string(),
            tenant: parent.tenant.clone(),
            case_type: definition.case_type.clone(),
            package: definition.package.clone(),
            package_version: definition.version.clone(),
            received_at: Some(time::to_proto(at)),
            accepted_at: Some(time::to_proto(at)),
            form: asked.form,
            submitted_by: actor.to_owned(),
            parent_case_id: parent_id.clone(),
            parent_link: asked.link,
            ..CaseSubmitted::default()
        },
    })
}
