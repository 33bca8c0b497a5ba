//! Where in the text of a YAML or JSON file something stands.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Location, Spanned};

/// Line and column, from 1.
pub(crate) type Place = (u64, u64);

/// The places of all that a text says.
pub(crate) struct Places(Tree);

/// What stands within something, by its key or number, each with its place.
struct Tree(BTreeMap<String, (Place, Tree)>);

impl Places {
    /// The places of a text; none when it cannot be read.
    pub(crate) fn read(text: &str) -> Option<Self> {
        serde_saphyr::from_str(text).ok().map(Self)
    }

    /// The place of what a path of keys and numbers names, such as `transitions/3/to`, or of the nearest thing around it.
    pub(crate) fn of(&self, path: &str) -> Place {
        let (mut tree, mut place) = (&self.0, (1, 1));
        for step in path.split('/').filter(|step| !step.is_empty()) {
            let Some((found, within)) = tree.0.get(step) else { break };
            (tree, place) = (within, *found);
        }
        place
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Planter)
    }
}

struct Planter;

impl<'de> Visitor<'de> for Planter {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tree, A::Error> {
        let mut tree = BTreeMap::new();
        while let Some(key) = map.next_key::<Spanned<String>>()? {
            let value: Spanned<Tree> = map.next_value()?;
            // What has parts is found at its key; a single value, which is what is wrong, at itself.
            let at = if value.value.0.is_empty() { value.referenced } else { key.referenced };
            tree.insert(key.value, (place(at), value.value));
        }
        Ok(Tree(tree))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Tree, A::Error> {
        let mut tree = BTreeMap::new();
        while let Some(value) = list.next_element::<Spanned<Tree>>()? {
            tree.insert(tree.len().to_string(), (place(value.referenced), value.value));
        }
        Ok(Tree(tree))
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Tree, E> {
        self.visit_unit()
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Tree, E> {
        self.visit_unit()
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Tree, E> {
        self.visit_unit()
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Tree, E> {
        self.visit_unit()
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Tree, E> {
        self.visit_unit()
    }

    fn visit_unit<E: Error>(self) -> Result<Tree, E> {
        Ok(Tree(BTreeMap::new()))
    }
}

fn place(at: Location) -> Place {
    (at.line(), at.column())
}
