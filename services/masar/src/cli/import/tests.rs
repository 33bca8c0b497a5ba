//! Mappings: what they make of rows, and what is told when they are wrong.

use csv::StringRecord;
use jiff::Timestamp;
use masar_proto::{json, time};
use serde_json::{Value as Json, json};

use super::mapping::Mapping;
use super::plan::{Mapped, Plan};
use super::rows::{Cells, Row};

const NYC: &str = include_str!("../../../../../demo/mappings/nyc-council.yaml");
const HEADER: [&str; 11] = [
    "unique_key",
    "account",
    "opendate",
    "closedate",
    "complaint_type",
    "descriptor",
    "zip",
    "borough",
    "city",
    "council_dist",
    "community_board",
];

fn plan(mapping: &str, header: &[&str]) -> anyhow::Result<Plan> {
    Plan::compile(&Mapping::parse("test.yaml", mapping)?, Some(&StringRecord::from(header.to_vec())))
}

fn row(cells: &[&str]) -> Row {
    Row { number: 1, cells: Cells::Record(StringRecord::from(cells.to_vec())), problem: None }
}

/// A mapping of one field.
fn field(rule: &str, cell: &str) -> Result<Json, String> {
    let mapping = format!(
        "case_type: complaint\nsource_system: test\nexternal_ref: {{from: id}}\nform: {{field: {rule}, inner.two: {{from: b}}}}"
    );
    let mapped = plan(&mapping, &["id", "a", "b"]).unwrap().map(&row(&["7", cell, " y "]))?;
    assert_eq!(mapped.case.external_ref, "7");
    let mut form = json::from_struct(mapped.case.form.unwrap());
    assert_eq!(form["inner"], json!({"two": "y"}));
    Ok(form["field"].take())
}

#[test]
fn named_operations_make_values() {
    let table = r#"{from: a, map: {"Select One": null, "yes": true, Ny: New York}, default: none}"#;
    for (rule, cell, value) in [
        ("plain", "x", json!("plain")),
        ("true", "x", json!(true)),
        ("{from: a}", " x ", json!("x")),
        ("{from: a}", "  ", Json::Null),
        (table, "SELECT ONE", json!("none")),
        (table, "Yes", json!(true)),
        (table, "NY", json!("New York")),
        (table, "other", json!("other")),
        ("{from: a, slug: p.}", "MENTAL HEALTH-DISABILITY-", json!("p.mental_health_disability")),
        ("{from: a, slug: p.}", "@Economy/Jobs 2", json!("p.economy_jobs_2")),
        ("{from: a, slug: p., default: p.none}", "...", json!("p.none")),
        ("{from: a, slug: p.}", "شكوى", Json::Null),
        (r#"{template: "{a} ({b})!"}"#, "x", json!("x (y)!")),
        (r#"{template: "{a} ({b})!", default: d}"#, "", json!("d")),
        (r#"{join: [a, b], with: ": "}"#, "x", json!("x: y")),
        (r#"{join: [a, b], with: ": "}"#, "", json!("y")),
        ("{from: a, number: true}", "25.3", json!(25.3)),
        ("{from: a, number: true}", "", Json::Null),
    ] {
        assert_eq!(field(rule, cell).as_ref(), Ok(&value), "{rule} of `{cell}`");
    }
    assert_eq!(field("{from: a, number: true}", "x").unwrap_err(), "form.field: `x` is no number");
}

#[test]
fn what_is_wrong_is_told_with_its_key() {
    let good = "case_type: complaint\nsource_system: test\nexternal_ref: {from: id}\n";
    for (more, told) in [
        (
            "form: {subject: {from: nowhere}}",
            "form.subject.from: there is no column `nowhere`: the file has id, a",
        ),
        ("form: {subject: {fron: a}}", "fron"),
        ("form: {}\ncolour: red", "colour"),
        ("form: {subject: {template: \"{a\"}}", "form.subject.template"),
        ("form: {subject: {from: a, join: [a]}}", "form.subject: give one of"),
        ("form: {subject: {from: a, with: x}}", "form.subject.with"),
        (
            "form: {customer: {from: a}, customer.alias: {from: a}}",
            "form.customer.alias: lies within form.customer",
        ),
        ("form: {}\nclosed_at: {from: a}", "closed_at: only `historical: true`"),
        ("form: {}\nreceived_at: {from: a, format: \"%!\"}", "received_at.format"),
        ("form: {}\nreceived_at: {from: a}\ntime_zone: Atlantis", "time_zone: `Atlantis`"),
        ("form: {}\nreject_if: [{column: a, reason: x}]", "reject_if.1: give one of `is` and `not`"),
        ("form: {}\ncolumns: {c: {from: d}}\nreject_if: [{column: c, is: [], reason: x}]", "columns.c.from"),
    ] {
        let error = format!("{:#}", plan(&format!("{good}{more}"), &["id", "a"]).unwrap_err());
        assert!(error.contains(told), "{more}: {error}");
    }
}

#[test]
fn times_are_read_where_they_were_written() {
    let mapping = |format: &str| {
        format!(
            "case_type: complaint\nsource_system: test\nexternal_ref: {{from: id}}\nform: {{}}\ntime_zone: America/New_York\nreceived_at: {{from: a{format}}}"
        )
    };
    let day = r#", format: "%m/%d/%Y", at: "09:00:00""#;
    for (format, cell, at) in [
        (day, "07/04/2026", "2026-07-04T13:00:00Z"),
        (day, "01/04/2026", "2026-01-04T14:00:00Z"),
        (r#", format: "%Y-%m-%d %H:%M""#, "2026-01-04 10:30", "2026-01-04T15:30:00Z"),
        (r#", format: "%Y-%m-%d %H:%M %z""#, "2026-01-04 10:30 +0300", "2026-01-04T07:30:00Z"),
        (r#", format: "%s""#, "1767540600", "2026-01-04T15:30:00Z"),
        ("", "2026-11-15T08:42:00+03:00", "2026-11-15T05:42:00Z"),
    ] {
        let mapped = plan(&mapping(format), &["id", "a"]).unwrap().map(&row(&["7", cell])).unwrap();
        let expected: Timestamp = at.parse().unwrap();
        assert_eq!(time::from_proto(mapped.case.received_at.as_ref()), Some(expected), "{cell}");
    }
    for (cell, told) in
        [("02/30/2026", "received_at: `02/30/2026` is no time"), ("", "received_at: the row has none")]
    {
        let refused = plan(&mapping(day), &["id", "a"]).unwrap().map(&row(&["7", cell])).unwrap_err();
        assert!(refused.starts_with(told), "{refused}");
    }
}

fn nyc(cells: &[&str]) -> Result<(Mapped, Json), String> {
    let mut mapped = plan(NYC, &HEADER).unwrap().map(&row(cells))?;
    let form = json::from_struct(mapped.case.form.take().unwrap());
    let catalog = masar_workflow::Catalog::shipped().unwrap();
    let package = catalog.for_case_type(&mapped.case.case_type).unwrap();
    assert_eq!(package.violations(&package.definition().opening_form, &form), [], "{form}");
    Ok((mapped, form))
}

#[test]
fn the_casework_of_the_council_fits_the_form() {
    let full = [
        "NYCC1",
        "NYCC02",
        "2015-01-02",
        "2015-01-28",
        "Land Use and Zoning",
        "Noise",
        "10016",
        "Manhattan",
        "New York",
        "NYCC02",
        "05 Manhattan",
    ];
    let (mapped, form) = nyc(&full).unwrap();
    assert_eq!(
        form,
        json!({
            "channel": "partner_api", "language": "en", "importance_provisional": "medium",
            "customer": {"anonymous": true}, "category": "nyc.land_use_and_zoning",
            "subject": "Land Use and Zoning: Noise",
            "description": "Land Use and Zoning: Noise; Office NYCC02; council district NYCC02; community board 05 Manhattan",
            "location": {"address": "New York, Manhattan, 10016"},
        })
    );
    let at = |at: Option<_>| time::from_proto(at.as_ref()).map(|at| at.to_string()).unwrap_or_default();
    assert_eq!(mapped.tenant.as_deref(), Some("NYC-COUNCIL"));
    assert_eq!(
        (mapped.case.source_system.as_str(), mapped.case.external_ref.as_str()),
        ("nyc-council", "NYCC1")
    );
    assert!(mapped.case.historical);
    assert_eq!(at(mapped.case.received_at), "2015-01-02T14:00:00Z");
    assert_eq!(at(mapped.case.closed_at), "2015-01-28T22:00:00Z");
}

#[test]
fn dirty_values_of_the_council_mean_what_they_mean() {
    let typed = |kind: &str| {
        let (mapped, form) =
            nyc(&["K", "NYCC02", "2015-01-02", "", kind, "", "n/a", "", "Ny", "NYCC", ""]).unwrap();
        assert_eq!(mapped.case.closed_at, None);
        assert_eq!(form["location"]["address"], "New York");
        let text = |name: &str| form[name].as_str().unwrap_or_default().to_owned();
        (text("category"), text("subject"))
    };
    let nothing = ("nyc.unspecified".to_owned(), "Casework of no named kind".to_owned());
    for kind in ["", "@getxlate.Udf_Code_Genera", "Please choose an issue...", "Select One"] {
        assert_eq!(typed(kind), nothing, "{kind}");
    }
    for (kind, category) in [
        ("SPAM MAIL", "nyc.spam_mail"),
        ("QUALITY OF LIFE", "nyc.quality_of_life"),
        ("Quality of Life", "nyc.quality_of_life"),
        ("WOMEN _ GENDER EQUITY", "nyc.women_gender_equity"),
        ("NYPD - NEW YORK POLICE DE", "nyc.nypd_new_york_police_de"),
        ("COVID-19", "nyc.covid_19"),
    ] {
        assert_eq!(typed(kind), (category.to_owned(), kind.to_owned()));
    }
    let refused = |cells: &[&str]| nyc(cells).map(|_| ()).unwrap_err();
    let told = refused(&["", "", "2015-01-02", "", "", "", "", "", "", "", ""]);
    assert_eq!(told, "the row has no key, or repeats the header");
    assert!(
        refused(&["K", "", "01/02/2015", "", "", "", "", "", "", "", ""])
            .starts_with("received_at: `01/02/2015`")
    );
    let told = refused(&["K", "", "2015-01-02", "2015-01-01", "", "", "", "", "", "", ""]);
    assert_eq!(told, "closed_at: lies before received_at");
}
