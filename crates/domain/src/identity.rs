//! Who asks: an authenticated person or system, the tenants it may act for and its roles.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Language;

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

    /// Every role (section 5) with what people call it: what is none of these is misspelt.
    const KNOWN: &'static [(&'static str, &'static str, &'static str)] = &[
        ("ambassador", "سفير جودة الخدمات", "ambassador"),
        ("analyst", "المحلل", "analyst"),
        ("assessor", "المقيّم", "assessor"),
        ("auditor", "المدقق", "auditor"),
        ("case_handler", "موظف الإدارة المختصة", "case handler"),
        ("centre_manager", "مدير مركز خدمة المتعاملين", "centre manager"),
        ("contract_owner", "مالك العقد", "contract owner"),
        ("customer", "المتعامل", "customer"),
        ("cx_member", "عضو فريق عمل تجربة المتعاملين", "member of the customer experience team"),
        ("cx_secretary", "مقرر فريق عمل تجربة المتعاملين", "secretary of the customer experience team"),
        ("department_director", "مدير الإدارة", "director of the department"),
        ("department_manager", "رئيس القسم", "department manager"),
        ("group_leader", "قائد المجموعة", "group leader"),
        ("head_of_entity", "رئيس الجهة الحكومية", "head of the entity"),
        ("independent_reviewer", "المراجع المستقل", "independent reviewer"),
        ("intake_agent", "موظف مركز الاتصال", "intake agent"),
        ("is_director", "مدير إدارة نظم المعلومات", "director of information systems"),
        ("lead_assessor", "رئيس المقيّمين", "lead assessor"),
        ("ops_monitor", "مراقب مستويات الخدمة", "operations monitor"),
        ("oversight_officer", "موظف الديوان", "oversight officer"),
        ("package_admin", "مسؤول الحزم", "package administrator"),
        ("partner", "شريك", "partner"),
        ("pioneer", "رائد تطوير الخدمات", "pioneer"),
        (
            "pqi_director",
            "مدير إدارة التخطيط والجودة والابتكار",
            "director of planning, quality and innovation",
        ),
        ("pr_director", "مدير إدارة العلاقات العامة والاتصال", "director of public relations"),
        ("privacy_officer", "مسؤول حماية البيانات", "privacy officer"),
        ("programme_manager", "مدير برنامج السفراء", "programme manager"),
        ("provider_user", "مزود الخدمة", "provider"),
        ("qc_reviewer", "مراقب الجودة", "quality reviewer"),
        ("service_owner", "مالك الخدمة", "service owner"),
        ("system", "النظام", "the system"),
        ("tenant_admin", "مسؤول النظام", "administrator of the entity"),
        ("trainee", "متدرب", "trainee"),
        ("trainer", "مدرب", "trainer"),
        ("triage_officer", "موظف العلاقات العامة والاتصال", "triage officer"),
    ];

    /// True when there is such a role.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.known().is_some()
    }

    /// What people call it; its code where there is no such role.
    #[must_use]
    pub fn label(&self, language: Language) -> &str {
        match (self.known(), language) {
            (Some((_, arabic, _)), Language::Ar) => arabic,
            (Some((_, _, english)), Language::En) => english,
            (None, _) => &self.0,
        }
    }

    fn known(&self) -> Option<&'static (&'static str, &'static str, &'static str)> {
        Self::KNOWN.iter().find(|(code, ..)| *code == self.0)
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
