//! Who holds a role for a case.

use masar_domain::Role;
use masar_proto::events::v1::{CaseSnapshot, Person, RegistryChanged};
use masar_workflow::{CUSTOMER, Holders};

/// The word of a ladder for the person who handles the case.
const HANDLER: &str = "handler";

/// What is kept of an entity's people: who holds which role where, and who is absent; neither names nor addresses.
pub(crate) fn needed(people: Vec<Person>) -> RegistryChanged {
    let needed = |person: Person| Person {
        id: person.id,
        department: person.department,
        centre: person.centre,
        roles: person.roles,
        absent: person.absent,
        ..Person::default()
    };
    RegistryChanged { people: people.into_iter().map(needed).collect(), ..RegistryChanged::default() }
}

/// The ids of the people who hold a role for the case: its handler, or whoever holds the role near it; the customer goes by
/// that word. Who is no longer of the entity counts as nobody.
pub(super) fn holders(role: &str, case: &CaseSnapshot, people: &[Person]) -> Holders {
    let wanted = Role(role.to_owned());
    if role == CUSTOMER {
        return Holders { present: vec![CUSTOMER.to_owned()], absent: Vec::new() };
    }
    let holds = |person: &&Person| match role {
        HANDLER => person.id == case.handler,
        _ => person.holds(&wanted, case),
    };
    let (absent, present): (Vec<_>, Vec<_>) = people.iter().filter(holds).partition(|person| person.absent);
    let ids = |people: Vec<&Person>| people.into_iter().map(|person| person.id.clone()).collect();
    Holders { present: ids(present), absent: ids(absent) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(id: &str, department: &str, role: &str) -> Person {
        Person {
            id: id.to_owned(),
            department: department.to_owned(),
            roles: vec![role.to_owned()],
            ..Person::default()
        }
    }

    fn case(department: &str, handler: &str) -> CaseSnapshot {
        CaseSnapshot {
            department: department.to_owned(),
            handler: handler.to_owned(),
            ..CaseSnapshot::default()
        }
    }

    fn people() -> Vec<Person> {
        vec![
            person("roads-1", "ROADS", "case_handler"),
            person("roads-manager", "ROADS", "department_manager"),
            person("parks-manager", "PARKS", "department_manager"),
            person("loose-manager", "", "department_manager"),
            person("quality", "PQI", "pqi_director"),
            Person { absent: true, ..person("quality-2", "PQI", "pqi_director") },
            Person { absent: true, ..person("roads-2", "ROADS", "case_handler") },
        ]
    }

    #[test]
    fn a_role_is_held_near_the_case_or_in_the_whole_entity() {
        for (role, department, handler, held) in [
            ("handler", "ROADS", "roads-1", vec!["roads-1"]),
            ("case_handler", "ROADS", "", vec!["roads-1"]),
            ("department_manager", "ROADS", "", vec!["roads-manager"]),
            ("department_manager", "PARKS", "", vec!["parks-manager"]),
            ("pqi_director", "ROADS", "", vec!["quality"]),
            ("pqi_director", "", "", vec!["quality"]),
        ] {
            assert_eq!(
                holders(role, &case(department, handler), &people()).present,
                held,
                "{role} of {department}"
            );
        }
    }

    #[test]
    fn nobody_is_nobody() {
        for (role, department, handler, absent) in [
            // Nobody handles it yet, somebody who is absent does, and somebody who has left.
            ("handler", "ROADS", "", vec![]),
            ("handler", "ROADS", "roads-2", vec!["roads-2".to_owned()]),
            ("handler", "ROADS", "gone", vec![]),
            // A case that is with no department has no manager, not even one without a department.
            ("department_manager", "", "", vec![]),
            ("department_director", "ROADS", "", vec![]),
            ("head_of_entity", "ROADS", "", vec![]),
        ] {
            let found = holders(role, &case(department, handler), &people());
            assert_eq!(found, Holders { present: Vec::new(), absent }, "{role}: {handler}");
        }
    }
}
