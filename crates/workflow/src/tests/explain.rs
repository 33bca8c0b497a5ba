//! Every package that is shipped, said in sentences.

use masar_domain::Language;

use crate::{Catalog, explain};

#[test]
fn a_package_is_said_in_both_languages() {
    let catalog = Catalog::shipped().unwrap();
    let complaint = catalog.in_force("complaint").unwrap().definition();
    let said = explain(complaint, Language::En);
    for sentence in [
        "A case is opened by: customer, intake agent, partner, administrator of the entity, triage officer.",
        "  - department manager may do “Approve”, which leads to “Answered”, unless the same person did “Draft the answer”.",
        "    Only if: case.counts.extensions < 1. Otherwise: “It was extended before: an extension is granted once”.",
        "      L1 (breach) tells department manager.",
        "When it runs out the system does “Close automatically”.",
    ] {
        assert!(said.contains(sentence), "{sentence}\n{said}");
    }
    let said = explain(complaint, Language::Ar);
    assert!(said.contains("  - رئيس القسم يجوز له «اعتماد الرد»، فتصير في «تم الرد»"), "{said}");
}

#[test]
fn what_is_concealed_and_which_shares_are_needed_is_said() {
    let catalog = Catalog::shipped().unwrap();
    let said = |package: &str, language| explain(catalog.in_force(package).unwrap().definition(), language);
    for (package, language, sentence) in [
        (
            "ambassador-mission",
            Language::En,
            "A case is opened, of complaint, and nobody knows whose it is but whoever lodged it, and analyst, group leader,",
        ),
        ("ambassador-mission", Language::Ar, "ولا يُعرف أنها من هذه الحالة إلا لمن قدمها"),
        ("ambassador-cycle", Language::En, ", if the hard quotas are met of “The active ambassadors”."),
        ("ambassador-cycle", Language::Ar, "، إن تحققت الحصص الملزمة في «السفراء النشطون»."),
        (
            "ambassador-cycle",
            Language::En,
            "Quotas of “The active ambassadors”: ambassador-membership (active)",
        ),
        ("ambassador-cycle", Language::En, "  - Gender, Female: no less than 40%"),
        ("ambassador-cycle", Language::Ar, "  - الأصل، عربي: العدد الأدنى 1"),
        ("ambassador-cycle", Language::En, "  - And what a form says in quotas.quotas"),
    ] {
        let said = said(package, language);
        assert!(said.contains(sentence), "{sentence}\n{said}");
    }
}

#[test]
fn every_action_and_every_clock_is_said() {
    for package in Catalog::shipped().unwrap().packages().map(|package| package.definition()) {
        for language in [Language::Ar, Language::En] {
            let said = explain(package, language);
            let actions = package.transitions.iter().map(|transition| &transition.label);
            let clocks = package.clocks.values().map(|clock| &clock.label);
            for label in actions.chain(clocks).map(|label| label.in_language(language)) {
                assert!(said.contains(label), "{}: {label}", package.package);
            }
        }
    }
}
