//! Which cases are of one matter, so that another is known to come again (CMP-04).
#![allow(unreachable_pub, reason = "SeaORM asks for public entities")]

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use masar_store::{Error, Transaction, save_all};
use masar_workflow::Counted;
use sea_orm::entity::prelude::*;
use sea_orm::{ConnectionTrait, DbBackend, Statement, Value};

/// Cases of a matter that are counted at most: whoever has so many needs no more.
const MOST: u32 = 100;
/// Questions of one statement.
const CHUNK: usize = 200;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "recurrences")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub case_id: Uuid,
    /// The code of the rule.
    #[sea_orm(primary_key, auto_increment = false)]
    pub rule: String,
    /// Tenant, package, rule and the values that are the same.
    #[sea_orm(column_type = "Text")]
    pub matter: String,
    /// When the case was received, in microseconds since 1970.
    pub at: i64,
    /// True when a case was proposed with it.
    pub proposed: bool,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}
impl ActiveModelBehavior for ActiveModel {}

/// A question: how many cases of a matter were received after one moment and by another, both in microseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Question {
    pub(crate) matter: String,
    pub(crate) after: i64,
    pub(crate) by: i64,
}

impl Question {
    /// The question for a matter, a time back from a moment.
    pub(crate) fn new(matter: String, at: Timestamp, back: jiff::SignedDuration) -> Self {
        let after = at.saturating_sub(back).unwrap_or(Timestamp::MIN);
        Self { matter, after: after.as_microsecond(), by: at.as_microsecond() }
    }

    /// True when a case counts.
    pub(crate) fn holds(&self, row: &Model) -> bool {
        row.matter == self.matter && row.at > self.after && row.at <= self.by
    }
}

/// Answers questions. Until the transaction ends nobody else counts these matters, so that of two cases one comes after the
/// other.
pub(crate) async fn count(
    tx: &Transaction,
    questions: BTreeSet<Question>,
) -> Result<BTreeMap<Question, Counted>, Error> {
    lock(tx, &questions).await?;
    let questions: Vec<_> = questions.into_iter().collect();
    let mut answers = BTreeMap::new();
    for chunk in questions.chunks(CHUNK) {
        let rows = tx.query_all_raw(statement(tx.get_database_backend(), chunk)).await?;
        for row in rows {
            let number: i64 = row.try_get("", "number")?;
            let earlier: i64 = row.try_get("", "earlier")?;
            let proposed: i64 = row.try_get("", "proposed")?;
            let question = usize::try_from(number).ok().and_then(|number| chunk.get(number));
            let counted = Counted { earlier: u32::try_from(earlier).unwrap_or(MOST), proposed: proposed > 0 };
            answers.extend(question.map(|question| (question.clone(), counted)));
        }
    }
    Ok(answers)
}

/// Takes the matters in their order, so that no two transactions wait for each other. SQLite has one writer anyway.
async fn lock(tx: &Transaction, questions: &BTreeSet<Question>) -> Result<(), Error> {
    if tx.get_database_backend() != DbBackend::Postgres {
        return Ok(());
    }
    let matters: BTreeSet<_> = questions.iter().map(|question| question.matter.as_str()).collect();
    let matters: Vec<_> = matters.into_iter().collect();
    for chunk in matters.chunks(CHUNK) {
        let places: Vec<_> = (1..=chunk.len()).map(|place| format!("(${place})")).collect();
        let sql = format!(
            "SELECT pg_advisory_xact_lock(hashtextextended(matter, 0)) FROM (VALUES {}) AS locked (matter)",
            places.join(", ")
        );
        let values = chunk.iter().map(|matter| Value::from(*matter));
        tx.execute_raw(Statement::from_sql_and_values(DbBackend::Postgres, sql, values)).await?;
    }
    Ok(())
}

fn statement(backend: DbBackend, questions: &[Question]) -> Statement {
    let place = |place: usize| match backend {
        DbBackend::Postgres => format!("${place}"),
        _ => "?".to_owned(),
    };
    let tuple = |number: usize| {
        let places: Vec<_> = (1..=4).map(|column| place(number * 4 + column)).collect();
        format!("({})", places.join(", "))
    };
    let tuples: Vec<_> = (0..questions.len()).map(tuple).collect();
    let counts = "FROM recurrences WHERE recurrences.matter = asked.matter AND recurrences.at > asked.since AND recurrences.at <= asked.until";
    let sql = format!(
        "WITH asked (number, matter, since, until) AS (VALUES {}) \
         SELECT number, (SELECT COUNT(*) FROM (SELECT 1 {counts} LIMIT {MOST}) AS few) AS earlier, \
           (SELECT COUNT(*) FROM (SELECT 1 {counts} AND recurrences.proposed LIMIT 1) AS one) AS proposed FROM asked",
        tuples.join(", ")
    );
    let values = questions.iter().enumerate().flat_map(|(number, question)| -> [Value; 4] {
        let number = i64::try_from(number).unwrap_or_default();
        [number.into(), question.matter.as_str().into(), question.after.into(), question.by.into()]
    });
    Statement::from_sql_and_values(backend, sql, values.collect::<Vec<Value>>())
}

/// Writes which cases are of which matters.
pub(crate) async fn save(tx: &Transaction, rows: Vec<Model>) -> Result<(), Error> {
    save_all::<_, ActiveModel, _>(tx, rows).await
}
