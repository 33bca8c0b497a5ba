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

/// The names that an expression uses.
#[derive(Default)]
pub(super) struct Names<'a> {
    bound: Vec<&'a str>,
    /// Those that are not its own.
    pub(super) free: BTreeSet<String>,
    /// The fields that it reads from `form`.
    pub(super) of_form: BTreeSet<String>,
}

impl<'a> Names<'a> {
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
            Expr::Select(select) => {
                let form = matches!(&select.operand.expr, Expr::Ident(name) if name == "form");
                if form && !self.bound.contains(&"form") {
                    self.of_form.insert(select.field.clone());
                }
                self.walk(&select.operand);
            }
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
