//! Who is told, and how they can be reached.

use jiff::Timestamp;
use masar_domain::{Language, Role};
use masar_packages::Calendars;
use masar_proto::events::v1::{CaseSnapshot, Person, RegistryChanged};
use masar_workflow::CUSTOMER;

use super::quiet::held_until;
use crate::store::delivery::EMAIL;

/// Somebody who is told.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Recipient {
    /// The address; where there is none, who was meant.
    pub(crate) name: String,
    pub(crate) channel: String,
    pub(crate) language: Language,
    /// Why they cannot be reached.
    pub(crate) obstacle: Option<String>,
    /// The end of their quiet hours, if the message waits for it.
    pub(crate) held_until: Option<Timestamp>,
}

/// The people around a case.
pub(crate) struct Around<'a> {
    pub(crate) case: &'a CaseSnapshot,
    /// What the registry says of the entity, if it has said something.
    pub(crate) entity: Option<&'a RegistryChanged>,
    /// By which its people work.
    pub(crate) calendars: &'a Calendars,
    /// The level of a ladder that tells them, if one does.
    pub(crate) level: Option<&'a str>,
    pub(crate) now: Timestamp,
}

impl<'a> Around<'a> {
    /// Those whom a word of a package means: `customer`, `handler`, `actor` or a role.
    pub(crate) fn called(&self, word: &str, actor: &str) -> Vec<Recipient> {
        match word {
            CUSTOMER => vec![self.customer()],
            "handler" if self.case.handler.is_empty() => {
                vec![out_of_reach(word, "nobody handles the case yet")]
            }
            "handler" => vec![self.person(&self.case.handler)],
            "actor" => vec![self.person(actor)],
            role => self.holders(role),
        }
    }

    /// A person of the entity.
    pub(crate) fn person(&self, id: &str) -> Recipient {
        match self.people().find(|person| person.id == id) {
            Some(person) => self.reach(person),
            None => out_of_reach(id, "the registry knows no such person"),
        }
    }

    fn people(&self) -> impl Iterator<Item = &'a Person> {
        self.entity.into_iter().flat_map(|entity| &entity.people)
    }

    /// Whoever holds a role for the case. Those who are absent are told only when nobody else is there.
    fn holders(&self, role: &str) -> Vec<Recipient> {
        let wanted = Role(role.to_owned());
        let (absent, present): (Vec<_>, Vec<_>) =
            self.people().filter(|person| person.holds(&wanted, self.case)).partition(|person| person.absent);
        let told = if present.is_empty() { absent } else { present };
        if told.is_empty() {
            return vec![out_of_reach(role, "nobody holds the role")];
        }
        told.into_iter().map(|person| self.reach(person)).collect()
    }

    fn reach(&self, person: &Person) -> Recipient {
        if person.email.is_empty() {
            return out_of_reach(&person.id, "the registry knows no address of this person");
        }
        let held = |entity| held_until(self.calendars, entity, person, self.case, self.level, self.now);
        Recipient {
            name: person.email.clone(),
            channel: EMAIL.to_owned(),
            language: language(&person.language),
            obstacle: None,
            held_until: self.entity.and_then(held),
        }
    }

    /// The customer. Numbers and postal addresses are not copied here: we could do nothing with them.
    pub(crate) fn customer(&self) -> Recipient {
        let contact = self.case.contact.clone().unwrap_or_default();
        let spoken =
            [&contact.language, &self.case.language].into_iter().find(|language| !language.is_empty());
        let language = language(spoken.map(String::as_str).unwrap_or_default());
        let (name, channel, obstacle) = match (contact.mode.as_str(), contact.value.is_empty()) {
            (EMAIL, false) => (contact.value, EMAIL, None),
            (EMAIL, true) => ("customer".into(), EMAIL, Some("the customer left no address".to_owned())),
            ("", _) => ("customer".into(), "none", Some("the customer left no address".to_owned())),
            ("none", _) => {
                ("customer".into(), "none", Some("the customer does not want to hear from us".to_owned()))
            }
            (mode, _) => ("customer".into(), mode, Some(format!("we do not deliver by {mode}"))),
        };
        Recipient { name, channel: channel.to_owned(), language, obstacle, held_until: None }
    }
}

fn out_of_reach(name: &str, why: &str) -> Recipient {
    Recipient {
        name: name.to_owned(),
        channel: EMAIL.to_owned(),
        language: Language::Ar,
        obstacle: Some(why.to_owned()),
        held_until: None,
    }
}

/// The language in which somebody hears from us: Arabic unless they say otherwise, and English for all other languages.
fn language(code: &str) -> Language {
    match code {
        "" => Language::Ar,
        code => code.parse().unwrap_or(Language::En),
    }
}
