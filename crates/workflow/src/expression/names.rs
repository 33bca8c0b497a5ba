//! The names that an expression takes from outside: those that `all`, `exists`, `filter` and `map` give to the members of a
//! list are its own.

use std::collections::BTreeSet;

use cel::IdedExpr;
use cel::common::ast::{ComprehensionExpr, EntryExpr, Expr, IdedEntryExpr};

/// What an expression takes from outside.
pub(super) fn used(expression: &IdedExpr) -> Names<'_> {
    let mut names = Names::default();
    names.walk(expression);
    names
}

/// What an expression reads: fields within fields of a name, such as `case.forms.intake`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Read {
    /// The name.
    pub(crate) root: String,
    /// The fields, outermost first.
    pub(crate) path: Vec<String>,
    /// True when it only asks whether the last field is there.
    pub(crate) tested: bool,
}

/// The names that an expression uses.
#[derive(Default)]
pub(super) struct Names<'a> {
    bound: Vec<&'a str>,
    /// Those that are not its own.
    pub(super) free: BTreeSet<String>,
    /// What it reads of these.
    pub(super) reads: BTreeSet<Read>,
}

impl<'a> Names<'a> {
    /// The fields that it reads from `form`.
    pub(super) fn of_form(&self) -> BTreeSet<&str> {
        let of_form = self.reads.iter().filter(|read| read.root == "form");
        of_form.filter_map(|read| read.path.first().map(String::as_str)).collect()
    }

    fn walk(&mut self, expression: &'a IdedExpr) {
        match &expression.expr {
            Expr::Ident(name) => {
                if !self.bound.contains(&name.as_str()) {
                    self.free.insert(name.clone());
                }
            }
            Expr::Call(call) => {
                call.target.iter().for_each(|target| self.walk(target));
                call.args.iter().for_each(|argument| self.walk(argument));
            }
            Expr::Select(select) => match chain(expression) {
                Some((root, _)) if self.bound.contains(&root) => {}
                Some((root, path)) => {
                    self.free.insert(root.to_owned());
                    let path = path.into_iter().map(str::to_owned).collect();
                    self.reads.insert(Read { root: root.to_owned(), path, tested: select.test });
                }
                None => self.walk(&select.operand),
            },
            Expr::List(list) => list.elements.iter().for_each(|element| self.walk(element)),
            Expr::Map(map) => self.entries(&map.entries),
            Expr::Struct(fields) => self.entries(&fields.entries),
            Expr::Comprehension(each) => self.comprehension(each),
            Expr::Literal(_) | Expr::Unspecified => {}
        }
    }

    fn entries(&mut self, entries: &'a [IdedEntryExpr]) {
        for entry in entries {
            match &entry.expr {
                EntryExpr::StructField(field) => self.walk(&field.value),
                EntryExpr::MapEntry(pair) => {
                    self.walk(&pair.key);
                    self.walk(&pair.value);
                }
            }
        }
    }

    fn comprehension(&mut self, each: &'a ComprehensionExpr) {
        self.walk(&each.iter_range);
        self.walk(&each.accu_init);
        let outside = self.bound.len();
        self.bound.extend([each.iter_var.as_str(), &each.accu_var]);
        self.bound.extend(each.iter_var2.as_deref());
        for part in [&each.loop_cond, &each.loop_step, &each.result] {
            self.walk(part);
        }
        self.bound.truncate(outside);
    }
}

/// A name and the fields within fields that are taken of it; none when something else is at the bottom.
fn chain(expression: &IdedExpr) -> Option<(&str, Vec<&str>)> {
    match &expression.expr {
        Expr::Ident(name) => Some((name, Vec::new())),
        Expr::Select(select) => {
            let (root, mut path) = chain(&select.operand)?;
            path.push(&select.field);
            Some((root, path))
        }
        _ => None,
    }
}
