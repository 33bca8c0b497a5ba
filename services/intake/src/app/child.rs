//! Children: cases that a transition of another case asks for.

use jiff::Timestamp;
use masar_packages::{Entities, Packages};
use masar_proto::events::v1::{CaseLodged, CaseSnapshot, CaseSubmitted, ChildEffect};
use masar_proto::{json, time};
use serde_json::Value;
use tracing::Span;
use uuid::Uuid;

use super::{Error, Submission};

/// The submission of a child, which is the same however often its parent's event comes. One that is opened in another entity, or
/// does not answer to the customer, is submitted by the entity of its parent: nobody who did something there is known by it.
pub(crate) fn child(
    packages: &Packages,
    entities: &Entities,
    parent: &CaseSnapshot,
    asked: ChildEffect,
    actor: &str,
    at: Timestamp,
) -> Result<Submission, Error> {
    let form = json::from_struct(asked.form.clone().unwrap_or_default());
    let tenant = if asked.entity.is_empty() { &parent.tenant } else { &asked.entity };
    let elsewhere = *tenant != parent.tenant;
    if elsewhere && !entities.contains(tenant) {
        return Err(Error::Entity(tenant.clone()));
    }
    let new = submission(packages, (tenant, &asked.package), &form, at)?;
    let (parent_id, version) = (&parent.case_id, parent.version);
    Ok(Submission {
        dedup_key: format!(
            "{}\u{1f}child\u{1f}{parent_id}\u{1f}{version}\u{1f}{}\u{1f}{}\u{1f}{}",
            parent.tenant, asked.package, asked.link, asked.number
        ),
        event: CaseSubmitted {
            form: asked.form,
            submitted_by: match asked.submitted_by.as_str() {
                "" if elsewhere || asked.inward => parent.tenant.clone(),
                "" => actor.to_owned(),
                customer => customer.to_owned(),
            },
            parent_case_id: parent_id.clone(),
            parent_link: asked.link,
            parent_tenant: if elsewhere { parent.tenant.clone() } else { String::new() },
            inward: asked.inward,
            ..new.event
        },
        ..new
    })
}

/// The submission of a case that is lodged under another name: nothing tells it from one of that name itself (CMP-07).
pub(crate) fn lodged(packages: &Packages, asked: CaseLodged, at: Timestamp) -> Result<Submission, Error> {
    let form = json::from_struct(asked.form.clone().unwrap_or_default());
    let new = submission(packages, (&asked.tenant, &asked.package), &form, at)?;
    Ok(Submission {
        dedup_key: asked.case_id.clone(),
        event: CaseSubmitted {
            case_id: asked.case_id,
            form: asked.form,
            submitted_by: asked.lodged_by,
            ..new.event
        },
        ..new
    })
}

/// The submission of a new case of a package of the tenant, if the package takes its form; whose it is stands nowhere yet.
fn submission(
    packages: &Packages,
    (tenant, package): (&str, &str),
    form: &Value,
    at: Timestamp,
) -> Result<Submission, Error> {
    let catalog = packages.of(tenant);
    let known = || catalog.packages().map(|package| package.definition().package.clone()).collect::<Vec<_>>();
    let found = catalog.in_force(package);
    let package = found.ok_or_else(|| Error::CaseType(package.to_owned(), known().join(", ")))?;
    let definition = package.definition();
    let wrong = package.violations(&definition.opening_form, form).into_iter();
    let wrong: Vec<_> = wrong.map(|violation| (violation.field, violation.message)).collect();
    if !wrong.is_empty() {
        return Err(Error::Invalid(wrong));
    }
    let case_id = Uuid::now_v7().to_string();
    Ok(Submission {
        dedup_key: case_id.clone(),
        received_at: at,
        accepted_at: at,
        span: Span::current(),
        event: CaseSubmitted {
            case_id,
            tenant: tenant.to_owned(),
            case_type: definition.case_type.clone(),
            package: definition.package.clone(),
            package_version: definition.version.clone(),
            received_at: Some(time::to_proto(at)),
            accepted_at: Some(time::to_proto(at)),
            ..CaseSubmitted::default()
        },
    })
}
