//! What a task asks of others than this case: of the cases to which it is linked, and of its customer.

use std::collections::BTreeMap;

use crate::finding::Found;
use crate::form::Form;
use crate::{CUSTOMER, Code, Definition, Task};

use super::{sentence, tasks};

pub(super) fn check(definition: &Definition, forms: &BTreeMap<String, Form>, found: &Found) {
    links(definition, forms, found);
    customers(definition, found);
}

/// A form names the case to which this one is linked.
fn links(definition: &Definition, forms: &BTreeMap<String, Form>, found: &Found) {
    for (number, task) in definition.opening_effects.iter().enumerate() {
        if let Task::Link { link, .. } = task {
            let message = format!(
                "the opening links the case (`{link}`), and whoever takes it in does not look for others: let a transition do it"
            );
            found.add(Code::Link, &format!("opening_effects/{number}"), message);
        }
    }
    for way in &definition.transitions {
        let (path, place) = sentence(way);
        for (number, task) in way.effects.iter().enumerate() {
            let Task::Link { link, to } = task else { continue };
            let path = format!("{path}/effects/{number}/link/to");
            match way.form.as_ref().map(|form| forms.get(form)) {
                None => {
                    let message = format!(
                        "{place} links the case (`{link}`) to one that its form names, and has no form"
                    );
                    found.add(Code::Link, &path, message);
                }
                Some(Some(form)) if !form.knows(to) => {
                    let message = format!("{place} links the case to `{to}`, which is no field of its form");
                    found.add(Code::UnknownField, &path, message);
                }
                Some(_) => {}
            }
        }
    }
}

/// A customer who is asked is known of the case, and what belongs to the customer is this entity's and no secret.
fn customers(definition: &Definition, found: &Found) {
    let known = definition.facts.contains_key(CUSTOMER)
        || definition.transitions.iter().any(|way| way.sets.contains_key(CUSTOMER));
    for (path, task) in tasks(definition) {
        match task {
            Task::AskSurvey { package, .. } if !known => {
                let message = format!(
                    "`{package}` asks the customer, of whom nothing is known: let `facts` say who is the `{CUSTOMER}`"
                );
                found.add(Code::Customer, &format!("{path}/ask_survey"), message);
            }
            Task::Child { package, entity, inward, for_customer: true, concealed, .. }
                if entity.is_some() || *inward || concealed.is_some() =>
            {
                let message = format!(
                    "the child `{package}` is for the customer, and not of this entity, not to answer to the customer, or concealed: leave `entity`, `inward` and `concealed` out"
                );
                found.add(Code::Customer, &format!("{path}/child/for_customer"), message);
            }
            _ => {}
        }
    }
}
