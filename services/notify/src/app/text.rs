//! Texts: the templates of a package, filled in. Only the values named here can stand in one, so that nothing that a
//! customer wrote leaves the house by mail.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use masar_domain::{BiText, Language};
use masar_workflow::Template;
use minijinja::{AutoEscape, Environment, Error, UndefinedBehavior, Value};

/// The zone in which people read due times.
const ZONE: &str = "Asia/Qatar";

/// What a template can name: `case.reference`, `entity`, `clock`, `level`, `due_at`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Values {
    pub(crate) reference: String,
    pub(crate) entity: BiText,
    pub(crate) clock: Option<BiText>,
    pub(crate) level: Option<String>,
    pub(crate) due_at: Option<Timestamp>,
    /// What stands below the text of the template.
    pub(crate) notes: Vec<BiText>,
}

static TEMPLATES: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::new();
    // A value that is not known may be asked for, `{% if due_at %}`, and never be written.
    environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment
});

/// Subject and body in a language.
///
/// # Errors
/// Which value a template names that is not known, or where it is wrong.
pub(crate) fn render(
    template: &Template,
    values: &Values,
    language: Language,
) -> Result<(String, String), Error> {
    let known = known(values, language);
    let subject = TEMPLATES.render_named_str("subject", template.subject.in_language(language), &known)?;
    let mut body = TEMPLATES.render_named_str("body", template.body.in_language(language), &known)?;
    for note in &values.notes {
        body += "\n\n";
        body += note.in_language(language);
    }
    Ok((subject.trim().to_owned(), body))
}

fn known(values: &Values, language: Language) -> Value {
    let text = |text: &str| Value::from(isolated(text, language));
    let case = BTreeMap::from([("reference", text(&values.reference))]);
    let optional = [
        ("clock", values.clock.as_ref().map(|clock| text(clock.in_language(language)))),
        ("level", values.level.as_deref().map(text)),
        ("due_at", values.due_at.map(|at| text(&local(at)))),
    ];
    let mut known =
        BTreeMap::from([("case", Value::from(case)), ("entity", text(values.entity.in_language(language)))]);
    known.extend(optional.into_iter().filter_map(|(name, value)| Some((name, value?))));
    Value::from(known)
}

/// Within Arabic, a value stands between isolates, so that its own direction moves nothing around it (NFR-01).
fn isolated(text: &str, language: Language) -> String {
    match language {
        Language::Ar => format!("\u{2068}{text}\u{2069}"),
        Language::En => text.to_owned(),
    }
}

/// `2026-11-29 14:00 Asia/Qatar`.
fn local(at: Timestamp) -> String {
    let zone = TimeZone::get(ZONE).unwrap_or(TimeZone::UTC);
    at.to_zoned_datetime(zone).strftime("%Y-%m-%d %H:%M %Q").to_string()
}

#[cfg(test)]
mod tests {
    use masar_workflow::Catalog;

    use super::*;

    fn values() -> Values {
        Values {
            reference: "MUN-1<&>".to_owned(),
            entity: BiText::new("البلدية", "Municipality"),
            clock: Some(BiText::new("الرد الكامل", "Response")),
            level: Some("L1".to_owned()),
            due_at: Some("2026-11-29T11:00:00Z".parse().unwrap()),
            notes: Vec::new(),
        }
    }

    fn template(subject: &str) -> Template {
        Template { subject: BiText::new(subject, subject), body: BiText::new("ن", "b") }
    }

    #[test]
    fn a_shipped_template_speaks_both_languages_and_escapes_nothing() {
        let catalog = Catalog::shipped().unwrap();
        let late = &catalog.in_force("complaint").unwrap().definition().templates["late"];
        let (subject, body) = render(late, &values(), Language::En).unwrap();
        assert_eq!(subject, "Late: MUN-1<&> (L1)");
        assert_eq!(body, "The clock Response was due 2026-11-29 14:00 Asia/Qatar and is not done.");
        let (subject, body) = render(late, &values(), Language::Ar).unwrap();
        assert_eq!(subject, "تجاوز المهلة: \u{2068}MUN-1<&>\u{2069} (\u{2068}L1\u{2069})");
        assert_eq!(
            body,
            "مهلة \u{2068}الرد الكامل\u{2069} انتهت \u{2068}2026-11-29 14:00 Asia/Qatar\u{2069} دون إنجاز."
        );
    }

    #[test]
    fn every_shipped_template_can_be_filled_in() {
        let catalog = Catalog::shipped().unwrap();
        for package in catalog.packages() {
            for (name, template) in &package.definition().templates {
                for language in Language::ALL {
                    let rendered = render(template, &values(), *language);
                    assert!(rendered.is_ok(), "{} in {language}: {rendered:?}", name);
                }
            }
        }
    }

    #[test]
    fn an_unknown_value_may_be_asked_for_and_not_written() {
        let without = Values { due_at: None, ..values() };
        let asked = template("A{% if due_at %} by {{ due_at }}{% endif %}");
        assert_eq!(render(&asked, &without, Language::En).unwrap().0, "A");
        assert_eq!(render(&asked, &values(), Language::En).unwrap().0, "A by 2026-11-29 14:00 Asia/Qatar");
        for wrong in
            ["{{ due_at }}", "{{ case.subject }}", "{{ case.contact.value }}", "{{ customer }}", "{{ x"]
        {
            assert!(render(&template(wrong), &without, Language::En).is_err(), "{wrong}");
        }
    }
}
