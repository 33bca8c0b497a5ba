//! Tests: the demonstration data, wrong files, and what is told to whom.

mod demo;
mod service;
mod wrong;

use jiff::Timestamp;

/// A small entity that is right.
const SMALL: &str = r#"
code: T-ONE
label: {ar: "جهة", en: "Entity"}
reference_prefix: ONE
default_calendar: qa-gov-default
departments:
  - {code: ONE-A, label: {ar: "إدارة", en: "Department"}, core: true}
people:
  - {id: one-1, name: {ar: "سالم", en: "Salem"}, email: one-1@one.example, department: ONE-A, roles: [case_handler]}
services:
  - {code: ONE-S01, label: {ar: "خدمة", en: "Service"}, department: ONE-A}
agreements:
  - {id: ONE-SLA, service: ONE-S01, clock: response, targets: {high: 3 business_days}}
category_departments: {time.delay: ONE-A}
"#;

fn now() -> Timestamp {
    "2026-11-15T07:00:00Z".parse().unwrap()
}
