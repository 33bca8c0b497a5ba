//! Who may call which method, read from the contracts themselves so that no list beside them can go stale.

use std::collections::BTreeMap;

use prost_reflect::{DescriptorPool, MethodDescriptor};

/// The option that carries the rule.
const OPTION: &str = "masar.access.v1.access";

/// The access rule of a method.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AccessRule {
    /// Roles of which the caller needs one; empty: every authenticated caller.
    pub roles: Vec<String>,
    /// True when callers who are nothing but customers may call it, about cases of their own.
    pub customers: bool,
}

/// Why the contracts cannot be read.
#[derive(Debug)]
pub struct Unreadable(String);

impl std::fmt::Display for Unreadable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the contracts' descriptors cannot be read: {}", self.0)
    }
}

impl std::error::Error for Unreadable {}

/// The rules by full path, such as `/masar.cases.v1.CaseService/GetCase`. A method without a rule is not in it.
///
/// # Errors
/// When the compiled-in descriptors are damaged, which a test excludes.
pub fn rules() -> Result<BTreeMap<String, AccessRule>, Unreadable> {
    let pool = pool()?;
    Ok(methods(&pool).into_iter().filter_map(|(path, method)| Some((path, rule(&pool, &method)?))).collect())
}

/// The full paths of all methods of all contracts.
///
/// # Errors
/// As `rules`.
pub fn paths() -> Result<Vec<String>, Unreadable> {
    Ok(methods(&pool()?).into_iter().map(|(path, _)| path).collect())
}

/// The full paths of the methods that take one message, and whether they give one.
///
/// # Errors
/// As `rules`.
pub fn asked_once() -> Result<BTreeMap<String, bool>, Unreadable> {
    let once = methods(&pool()?).into_iter().filter(|(_, method)| !method.is_client_streaming());
    Ok(once.map(|(path, method)| (path, !method.is_server_streaming())).collect())
}

/// The descriptors of all contracts.
///
/// # Errors
/// As `rules`.
pub fn pool() -> Result<DescriptorPool, Unreadable> {
    DescriptorPool::decode(crate::FILE_DESCRIPTOR_SET).map_err(|error| Unreadable(error.to_string()))
}

fn methods(pool: &DescriptorPool) -> Vec<(String, MethodDescriptor)> {
    let of_service = |service: prost_reflect::ServiceDescriptor| {
        let name = service.full_name().to_owned();
        service.methods().map(|method| (format!("/{name}/{}", method.name()), method)).collect::<Vec<_>>()
    };
    pool.services().flat_map(of_service).collect()
}

fn rule(pool: &DescriptorPool, method: &MethodDescriptor) -> Option<AccessRule> {
    let extension = pool.get_extension_by_name(OPTION)?;
    let options = method.options();
    if !options.has_extension(&extension) {
        return None;
    }
    let value = options.get_extension(&extension);
    let rule = value.as_message()?;
    let customers = rule.get_field_by_name("customers")?.as_bool()?;
    let roles = rule.get_field_by_name("roles")?;
    let roles = roles.as_list()?.iter().filter_map(|role| role.as_str().map(str::to_owned)).collect();
    Some(AccessRule { roles, customers })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_has_a_rule() {
        let rules = rules().unwrap();
        let without: Vec<_> = paths().unwrap().into_iter().filter(|path| !rules.contains_key(path)).collect();
        assert_eq!(without, Vec::<String>::new());
        assert!(rules.len() > 40);
    }

    #[test]
    fn a_rule_names_its_roles() {
        let rules = rules().unwrap();
        assert_eq!(rules["/masar.registry.v1.RegistryService/Load"].roles, ["tenant_admin"]);
        assert!(rules["/masar.cases.v1.CaseService/GetCase"].roles.is_empty());
    }
}
