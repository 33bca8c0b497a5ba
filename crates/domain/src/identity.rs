//! Who asks: an authenticated person or system, the tenants it may act for and its roles.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

/// The code of a government entity, which is the tenant (`DEMO-MUN`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TenantCode(pub String);

impl fmt::Display for TenantCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The code of a role, as workflow packages and tokens spell it (`case_handler`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Role(pub String);

impl Role {
    /// Roles that reach only as far as the person's own department (section "Roles and visibility").
    const OF_A_DEPARTMENT: &'static [&'static str] =
        &["case_handler", "department_manager", "department_director"];

    /// Roles that reach only as far as the person's own service centre.
    const OF_A_CENTRE: &'static [&'static str] = &["centre_manager"];

    /// Every role (section 5): what is none of these is misspelt.
    const KNOWN: &'static [&'static str] = &[
        "ambassador",
        "analyst",
        "assessor",
        "auditor",
        "case_handler",
        "centre_manager",
        "contract_owner",
        "customer",
        "cx_member",
        "cx_secretary",
        "department_director",
        "department_manager",
        "group_leader",
        "head_of_entity",
        "independent_reviewer",
        "intake_agent",
        "is_director",
        "lead_assessor",
        "ops_monitor",
        "oversight_officer",
        "package_admin",
        "partner",
        "pioneer",
        "pqi_director",
        "pr_director",
        "privacy_officer",
        "programme_manager",
        "provider_user",
        "qc_reviewer",
        "service_owner",
        "system",
        "tenant_admin",
        "trainee",
        "trainer",
        "triage_officer",
    ];

    /// True when there is such a role.
    #[must_use]
    pub fn is_known(&self) -> bool {
        Self::KNOWN.contains(&self.0.as_str())
    }

    /// True when the role may act only on cases of its holder's department.
    #[must_use]
    pub fn is_of_a_department(&self) -> bool {
        Self::OF_A_DEPARTMENT.contains(&self.0.as_str())
    }

    /// True when the role concerns only cases of its holder's service centre.
    #[must_use]
    pub fn is_of_a_centre(&self) -> bool {
        Self::OF_A_CENTRE.contains(&self.0.as_str())
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An authenticated caller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Stable id of the person or system, as the audit shows it.
    pub subject: String,
    /// The tenants that the caller may act for; never empty after authentication.
    pub tenants: BTreeSet<TenantCode>,
    /// What the caller may do there.
    pub roles: BTreeSet<Role>,
    /// The department of a person who belongs to one.
    pub department: Option<String>,
}

impl Identity {
    /// True when the caller is nothing but a customer, and so has a part only in cases of their own.
    #[must_use]
    pub fn is_only_a_customer(&self) -> bool {
        !self.roles.is_empty() && self.roles.iter().all(|role| role.0 == "customer")
    }

    /// True when the caller may act for the tenant (NFR-08).
    #[must_use]
    pub fn may_act_for(&self, tenant: &TenantCode) -> bool {
        self.tenants.contains(tenant)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_acts_only_for_its_own_tenants() {
        let officer = Identity {
            subject: "person:1".into(),
            tenants: BTreeSet::from([TenantCode("DEMO-MUN".into())]),
            roles: BTreeSet::from([Role("case_handler".into())]),
            department: Some("MUN-ROADS".into()),
        };
        assert!(officer.may_act_for(&TenantCode("DEMO-MUN".into())));
        assert!(!officer.may_act_for(&TenantCode("DEMO-LAB".into())));
    }

    #[test]
    fn handlers_belong_to_a_department_and_triage_does_not() {
        assert!(Role("case_handler".into()).is_of_a_department());
        assert!(!Role("triage_officer".into()).is_of_a_department());
        assert!(Role("centre_manager".into()).is_of_a_centre());
        let near = Role::OF_A_DEPARTMENT.iter().chain(Role::OF_A_CENTRE);
        assert!(near.into_iter().all(|role| Role((*role).into()).is_known()));
        assert!(!Role("tirage_officer".into()).is_known());
    }
}
