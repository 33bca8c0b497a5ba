//! Rules of a mapping, compiled: columns are places in the row, and nothing is looked up twice.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use anyhow::{Result, anyhow, bail};
use csv::StringRecord;
use serde_json::Value as Json;

use super::mapping::{Recipe, Rule};
use super::rows::Cells;
use super::value::{Value, folded};

/// Where a column is.
#[derive(Debug)]
pub(super) enum Column {
    /// A cell of a record.
    At(usize),
    /// A field of a JSON object, from the outside in.
    Path(Vec<String>),
    /// A column that the mapping itself makes.
    Made(usize),
}

/// A row, and the columns that the mapping made of it.
pub(super) struct Context<'r> {
    pub(super) cells: &'r Cells,
    pub(super) made: Vec<Option<String>>,
}

impl Context<'_> {
    pub(super) fn get(&self, column: &Column) -> Value<'_> {
        match (column, self.cells) {
            (Column::Made(at), _) => match self.made.get(*at) {
                Some(Some(text)) => Value::Text(Cow::Borrowed(text)),
                _ => Value::Nothing,
            },
            (Column::At(at), Cells::Record(record)) => Value::text(record.get(*at).unwrap_or_default()),
            (Column::Path(path), Cells::Line { json, .. }) => {
                path.iter().try_fold(json, |json, name| json.get(name)).map_or(Value::Nothing, Value::of)
            }
            _ => Value::Nothing,
        }
    }
}

/// A rule, compiled.
#[derive(Debug)]
pub(super) struct Op {
    /// Its key in the mapping, for messages.
    pub(super) key: String,
    source: Source,
    map: HashMap<String, Json>,
    slug: Option<String>,
    number: bool,
    default: Json,
}

#[derive(Debug)]
enum Source {
    /// A fixed value is one that is always the default.
    None,
    Column(Column),
    /// Each column, with the text before it; and the text after the last.
    Template(Vec<(String, Column)>, String),
    Join(Vec<Column>, String),
}

impl Op {
    /// The value for a row.
    ///
    /// # Errors
    /// Why there is none, with the key.
    pub(super) fn value<'v>(&'v self, context: &'v Context<'_>) -> Result<Value<'v>, String> {
        let told = |problem: String| format!("{}: {problem}", self.key);
        let mut value = self.source(context).map_err(told)?.mapped(&self.map);
        if let Some(prefix) = &self.slug {
            value = value.slug(prefix);
        }
        if self.number {
            value = value.number().map_err(told)?;
        }
        Ok(if value == Value::Nothing { Value::of(&self.default) } else { value })
    }

    /// The value as a text, if there is one.
    ///
    /// # Errors
    /// Why there is none, with the key.
    pub(super) fn text(&self, context: &Context<'_>) -> Result<Option<String>, String> {
        let text = self.value(context)?.into_text().map_err(|problem| format!("{}: {problem}", self.key))?;
        Ok(text.map(Cow::into_owned))
    }

    /// The text of a value that is always the same.
    pub(super) fn fixed(&self) -> Option<&str> {
        match self.source {
            Source::None => self.default.as_str(),
            _ => None,
        }
    }

    fn source<'v>(&'v self, context: &'v Context<'_>) -> Result<Value<'v>, String> {
        let text = |column| context.get(column).into_text();
        let mut whole = String::new();
        match &self.source {
            Source::None => return Ok(Value::Nothing),
            Source::Column(column) => return Ok(context.get(column)),
            Source::Template(parts, end) => {
                for (before, column) in parts {
                    // A sentence with a gap says nothing.
                    let Some(text) = text(column)? else { return Ok(Value::Nothing) };
                    whole.push_str(before);
                    whole.push_str(&text);
                }
                whole.push_str(end);
            }
            Source::Join(columns, with) => {
                for column in columns {
                    let Some(text) = text(column)? else { continue };
                    if !whole.is_empty() {
                        whole.push_str(with);
                    }
                    whole.push_str(&text);
                }
            }
        }
        Ok(if whole.is_empty() { Value::Nothing } else { Value::Text(Cow::Owned(whole)) })
    }
}

/// Compiles rules; the columns of the mapping's own are compiled when the first rule asks for them.
pub(super) struct Compiler<'m> {
    pub(super) header: Option<&'m StringRecord>,
    pub(super) columns: &'m BTreeMap<String, Rule>,
    /// Those that were asked for: their place once they are compiled.
    places: HashMap<&'m str, Option<usize>>,
    /// Compiled, each after those that it stands on.
    pub(super) made: Vec<Op>,
}

impl<'m> Compiler<'m> {
    pub(super) fn new(header: Option<&'m StringRecord>, columns: &'m BTreeMap<String, Rule>) -> Self {
        Self { header, columns, places: HashMap::new(), made: Vec::new() }
    }

    /// The place of a column.
    ///
    /// # Errors
    /// When the file has none of this name.
    pub(super) fn column(&mut self, key: &str, name: &str) -> Result<Column> {
        let own = self.columns.get_key_value(name);
        match (own, self.places.get(name)) {
            (Some(_), Some(Some(place))) => return Ok(Column::Made(*place)),
            (Some((name, rule)), None) => {
                self.places.insert(name, None);
                let op = self.op(&format!("columns.{name}"), rule)?;
                self.made.push(op);
                self.places.insert(name, Some(self.made.len() - 1));
                return Ok(Column::Made(self.made.len() - 1));
            }
            // Within its own rule, a name is the file's column.
            _ => {}
        }
        let Some(header) = self.header else {
            return Ok(Column::Path(name.split('.').map(str::to_owned).collect()));
        };
        let place = header.iter().position(|column| column.trim() == name);
        place.map(Column::At).ok_or_else(|| {
            let names = header.iter().collect::<Vec<_>>().join(", ");
            anyhow!("{key}: there is no column `{name}`: the file has {names}")
        })
    }

    /// Compiles a rule.
    ///
    /// # Errors
    /// What is wrong with it, with its key.
    pub(super) fn op(&mut self, key: &str, rule: &Rule) -> Result<Op> {
        let plain = Op {
            key: key.to_owned(),
            source: Source::None,
            map: HashMap::new(),
            slug: None,
            number: false,
            default: Json::Null,
        };
        match rule {
            Rule::Fixed(value) => Ok(Op { default: value.clone(), ..plain }),
            Rule::Made(recipe) => Ok(Op {
                source: self.source(key, recipe)?,
                map: recipe.map.iter().map(|(name, value)| (folded(name), value.clone())).collect(),
                slug: recipe.slug.clone(),
                number: recipe.number,
                default: recipe.default.clone().unwrap_or_default(),
                ..plain
            }),
        }
    }

    fn source(&mut self, key: &str, recipe: &Recipe) -> Result<Source> {
        if recipe.with.is_some() && recipe.join.is_none() {
            bail!("{key}.with: stands only beside `join`");
        }
        match (&recipe.from, &recipe.template, &recipe.join) {
            (Some(name), None, None) => Ok(Source::Column(self.column(&format!("{key}.from"), name)?)),
            (None, Some(template), None) => self.template(&format!("{key}.template"), template),
            (None, None, Some(names)) => {
                let key = format!("{key}.join");
                let columns = names.iter().map(|name| self.column(&key, name)).collect::<Result<_>>()?;
                Ok(Source::Join(columns, recipe.with.clone().unwrap_or_else(|| " ".to_owned())))
            }
            _ => bail!("{key}: give one of `from`, `template` and `join`, or a fixed value"),
        }
    }

    fn template(&mut self, key: &str, template: &str) -> Result<Source> {
        let (mut parts, mut rest) = (Vec::new(), template);
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}').ok_or_else(|| anyhow!("{key}: a `{{` has no `}}`"))?;
            parts.push((before.to_owned(), self.column(key, name.trim())?));
            rest = after;
        }
        Ok(Source::Template(parts, rest.to_owned()))
    }
}
