//! Who holds a role for a case: the one rule for all services that tell people something.

use masar_domain::Role;

use crate::events::v1::{CaseSnapshot, Person};

impl Person {
    /// True when the person holds the role for the case (section 5): in its department for roles of a department, in its
    /// service centre for roles of a centre, anywhere in the entity for other roles.
    #[must_use]
    pub fn holds(&self, role: &Role, case: &CaseSnapshot) -> bool {
        // A case that is with no department is not with those people who have none.
        let near = |own: &str, of_case: &str| !of_case.is_empty() && own == of_case;
        let reaches = (!role.is_of_a_department() || near(&self.department, &case.department))
            && (!role.is_of_a_centre() || near(&self.centre, &case.centre));
        reaches && self.roles.contains(&role.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_reaches_as_far_as_the_department_the_centre_or_the_entity() {
        let case = |department: &str, centre: &str| CaseSnapshot {
            department: department.to_owned(),
            centre: centre.to_owned(),
            ..CaseSnapshot::default()
        };
        for (role, of_case, held) in [
            ("department_manager", case("ROADS", ""), true),
            ("department_manager", case("PARKS", "WEST"), false),
            ("department_manager", case("", ""), false),
            ("centre_manager", case("PARKS", "WEST"), true),
            ("centre_manager", case("ROADS", "EAST"), false),
            ("centre_manager", case("ROADS", ""), false),
            ("pqi_director", case("", ""), true),
        ] {
            let person = Person {
                department: "ROADS".to_owned(),
                centre: "WEST".to_owned(),
                roles: vec![role.to_owned()],
                ..Person::default()
            };
            assert_eq!(person.holds(&Role(role.to_owned()), &of_case), held, "{role}: {of_case:?}");
            assert!(!person.holds(&Role("head_of_entity".to_owned()), &of_case));
            let nowhere = Person { roles: vec![role.to_owned()], ..Person::default() };
            assert_eq!(nowhere.holds(&Role(role.to_owned()), &of_case), role == "pqi_director", "{role}");
        }
    }
}
