//! A mapping compiled for the columns of a file: from a row to what intake takes, or to the reason why not.

use std::collections::{BTreeMap, HashSet};

use anyhow::{Context as _, Result, bail};
use csv::StringRecord;
use masar_proto::intake::v1::SubmitCaseRequest;
use masar_proto::time;
use prost_types::value::Kind;
use prost_types::{Struct, Value as ProtoValue};

use super::mapping::{Mapping, RejectIf};
use super::recipe::{Column, Compiler, Context, Op};
use super::rows::Row;
use super::times::Instants;
use super::value::folded;

/// A row as a case.
#[derive(Debug)]
pub(crate) struct Mapped {
    /// The entity that the row is of, where the mapping says it.
    pub(crate) tenant: Option<String>,
    /// What intake takes.
    pub(crate) case: SubmitCaseRequest,
}

/// A mapping, compiled.
#[derive(Debug)]
pub(crate) struct Plan {
    case_type: String,
    historical: bool,
    tenant: Option<Op>,
    source_system: Op,
    external_ref: Op,
    received_at: Option<Instants>,
    closed_at: Option<Instants>,
    rejects: Vec<Reject>,
    /// Columns of the mapping's own, each after those that it stands on.
    made: Vec<Op>,
    /// The fields of the form, each with its path.
    form: Vec<(Vec<String>, Op)>,
}

/// Rows that are no cases.
#[derive(Debug)]
struct Reject {
    column: Column,
    values: HashSet<String>,
    /// Whether a row is rejected when its value is among these, or when it is not.
    among: bool,
    reason: String,
}

impl Plan {
    /// Compiles a mapping for the columns of a CSV file, or for JSON lines.
    ///
    /// # Errors
    /// The key that is wrong.
    pub(crate) fn compile(mapping: &Mapping, header: Option<&StringRecord>) -> Result<Self> {
        let mut compiler = Compiler::new(header, &mapping.columns);
        if mapping.closed_at.is_some() && !mapping.historical {
            bail!("closed_at: only `historical: true` cases are closed elsewhere");
        }
        let paths = mapping.form.keys().map(|path| path.split('.').map(str::to_owned).collect::<Vec<_>>());
        let mut form = Vec::new();
        for (path, (name, rule)) in paths.zip(&mapping.form) {
            if let Some((outer, _)) = form.iter().find(|(outer, _): &&(Vec<_>, _)| path.starts_with(outer)) {
                bail!("form.{name}: lies within form.{}, which has a value of its own", outer.join("."));
            }
            form.push((path, compiler.op(&format!("form.{name}"), rule)?));
        }
        let zone = mapping.time_zone.as_deref();
        let mut instants = |key, when: &Option<_>| {
            when.as_ref().map(|when| Instants::compile(key, when, zone, &mut compiler)).transpose()
        };
        let received_at = instants("received_at", &mapping.received_at)?;
        let closed_at = instants("closed_at", &mapping.closed_at)?;
        let rejects = mapping.reject_if.iter().enumerate();
        let rejects =
            rejects.map(|(at, rule)| Reject::compile(at, rule, &mut compiler)).collect::<Result<_>>();
        let tenant = mapping.tenant.as_ref().map(|rule| compiler.op("tenant", rule)).transpose()?;
        Ok(Self {
            case_type: mapping.case_type.clone(),
            historical: mapping.historical,
            tenant,
            source_system: compiler.op("source_system", &mapping.source_system)?,
            external_ref: compiler.op("external_ref", &mapping.external_ref)?,
            received_at,
            closed_at,
            rejects: rejects?,
            form,
            made: compiler.made,
        })
    }

    /// The entity of all rows, where the mapping names one.
    pub(super) fn tenant(&self) -> Option<&str> {
        self.tenant.as_ref().and_then(Op::fixed)
    }

    /// A row as a case.
    ///
    /// # Errors
    /// Why it is none.
    pub(crate) fn map(&self, row: &Row) -> Result<Mapped, String> {
        if let Some(problem) = &row.problem {
            return Err(problem.clone());
        }
        let mut context = Context { cells: &row.cells, made: Vec::with_capacity(self.made.len()) };
        for op in &self.made {
            let text = op.text(&context)?;
            context.made.push(text);
        }
        if let Some(reject) = self.rejects.iter().find(|reject| reject.holds(&context)) {
            return Err(reject.reason.clone());
        }
        let needed = |op: &Op| op.text(&context)?.ok_or_else(|| format!("{}: the row has none", op.key));
        let received_at = self.received_at.as_ref().map(|instants| instants.read(&context)).transpose()?;
        if received_at == Some(None) {
            return Err("received_at: the row has none".to_owned());
        }
        let received_at = received_at.flatten();
        let closed_at =
            self.closed_at.as_ref().map(|instants| instants.read(&context)).transpose()?.flatten();
        if closed_at.zip(received_at).is_some_and(|(closed_at, received_at)| closed_at < received_at) {
            return Err("closed_at: lies before received_at".to_owned());
        }
        let mut form = BTreeMap::new();
        for (path, op) in &self.form {
            if let Some(value) = op.value(&context)?.into_proto() {
                put(&mut form, path, value);
            }
        }
        let case = SubmitCaseRequest {
            case_type: self.case_type.clone(),
            source_system: needed(&self.source_system)?,
            external_ref: needed(&self.external_ref)?,
            idempotency_key: String::new(),
            received_at: received_at.map(time::to_proto),
            form: Some(Struct { fields: form }),
            historical: self.historical,
            closed_at: closed_at.map(time::to_proto),
        };
        Ok(Mapped { tenant: self.tenant.as_ref().map(needed).transpose()?, case })
    }
}

impl Reject {
    fn compile(at: usize, rule: &RejectIf, compiler: &mut Compiler<'_>) -> Result<Self> {
        let key = format!("reject_if.{}", at + 1);
        let (values, among) = match (&rule.is, &rule.not) {
            (Some(values), None) => (values, true),
            (None, Some(values)) => (values, false),
            _ => bail!("{key}: give one of `is` and `not`"),
        };
        let values = values.iter().map(|value| folded(value)).collect();
        let column = compiler.column(&format!("{key}.column"), &rule.column)?;
        Ok(Self { column, values, among, reason: rule.reason.clone() })
    }

    fn holds(&self, context: &Context<'_>) -> bool {
        let text = context.get(&self.column).into_text().ok().flatten().unwrap_or_default();
        self.values.contains(&folded(&text)) == self.among
    }
}

/// Puts a value where its path leads.
fn put(fields: &mut BTreeMap<String, ProtoValue>, path: &[String], value: ProtoValue) {
    match path {
        [] => {}
        [name] => drop(fields.insert(name.clone(), value)),
        [name, rest @ ..] => {
            let inner = fields.entry(name.clone()).or_default();
            let kind = inner.kind.get_or_insert_with(|| Kind::StructValue(Struct::default()));
            if let Kind::StructValue(inner) = kind {
                put(&mut inner.fields, rest, value);
            }
        }
    }
}

/// The plan of a mapping that the product brings, for JSON lines.
///
/// # Errors
/// What is wrong with it, which a test excludes.
pub(crate) fn shipped(file: &str, text: &str) -> Result<Plan> {
    Plan::compile(&Mapping::parse(file, text)?, None).with_context(|| format!("the mapping {file}"))
}
