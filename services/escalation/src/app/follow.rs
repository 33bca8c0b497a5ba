//! One transaction's work: cases taken over, marks that find their case climbed, the others kept until it arrives.

use std::collections::{BTreeMap, BTreeSet};

use masar_clock::Mark;
use masar_domain::Importance;
use masar_proto::events::v1::{CaseSnapshot, ClockMarked, ClockState};
use masar_store::Transaction;
use prost::Message;
use tracing::Span;
use uuid::Uuid;

use super::{Core, Error};
use crate::store::{case, waiting};

/// What a batch of events says.
#[derive(Default)]
pub(crate) struct Heard {
    /// Each with the event that it came by.
    cases: Vec<(Uuid, CaseSnapshot, Span)>,
    marks: Vec<Marked>,
}

/// A mark that a clock has reached.
pub(super) struct Marked {
    pub(super) case: Uuid,
    pub(super) clock: ClockState,
    pub(super) mark: Mark,
    pub(super) importance: Importance,
    /// The event that it came by; of a mark that had to wait, the one by which its case came.
    pub(super) span: Span,
    /// The message that said so, kept while the case is not known.
    message: ClockMarked,
}

impl Heard {
    /// Hears of a case; one that was handled elsewhere before concerns nobody here.
    pub(crate) fn case(&mut self, case: CaseSnapshot) -> Result<(), Error> {
        if !case.historical {
            self.cases.push((case_id(&case.case_id)?, case, Span::current()));
        }
        Ok(())
    }

    /// Hears of a mark.
    pub(crate) fn mark(&mut self, marked: ClockMarked) -> Result<(), Error> {
        self.marks.push(Marked::read(marked, Span::current())?);
        Ok(())
    }
}

impl Marked {
    fn read(message: ClockMarked, span: Span) -> Result<Self, Error> {
        let clock = message.clock.clone().ok_or_else(|| Error::Text("a mark without a clock".to_owned()))?;
        let mark =
            message.mark.parse().map_err(|error: masar_clock::Error| Error::Text(error.to_string()))?;
        let importance = message.importance().word();
        let importance = importance.ok_or_else(|| Error::Text("a mark without an importance".to_owned()))?;
        Ok(Self { case: case_id(&clock.case_id)?, clock, mark, importance, span, message })
    }
}

impl Core {
    /// Takes over what was heard, and fires the levels that follow.
    pub(crate) async fn follow(&self, tx: &Transaction, heard: Heard) -> Result<(), Error> {
        let Heard { cases, marks } = heard;
        let ids: BTreeSet<Uuid> =
            cases.iter().map(|(id, ..)| *id).chain(marks.iter().map(|marked| marked.case)).collect();
        if ids.is_empty() {
            return Ok(());
        }
        let mut rows: BTreeMap<Uuid, case::Model> =
            case::hold(tx, &ids).await?.into_iter().map(|row| (row.id, row)).collect();
        let mut arrived = BTreeMap::new();
        let mut changed = BTreeSet::new();
        for (id, case, span) in cases {
            let Some(row) = rows.get_mut(&id) else { continue };
            // The order on the wire is no authority: the version of the case is.
            if case.version.cast_signed() > row.version {
                if row.snapshot.is_none() {
                    arrived.insert(id, span);
                }
                row.version = case.version.cast_signed();
                row.snapshot = Some(case.encode_to_vec());
                changed.insert(id);
            }
        }
        let newest = rows.values().filter(|row| changed.contains(&row.id)).cloned();
        masar_store::save_all(tx, newest.collect()).await?;
        // What has waited comes before what is new.
        let waited = waiting::take(tx, arrived.keys().copied().collect()).await?;
        let waited = waited.into_iter().map(|row| {
            let message = ClockMarked::decode(row.data.as_slice());
            let span = arrived.get(&row.case_id).cloned().unwrap_or_else(Span::current);
            Marked::read(message.map_err(|error| Error::Text(error.to_string()))?, span)
        });
        let marks = waited.chain(marks.into_iter().map(Ok)).collect::<Result<_, _>>()?;
        self.climb(tx, &rows, marks).await
    }

    /// Climbs the ladders of marks whose case is known; the others wait for theirs.
    async fn climb(
        &self,
        tx: &Transaction,
        rows: &BTreeMap<Uuid, case::Model>,
        marks: Vec<Marked>,
    ) -> Result<(), Error> {
        let mut known = BTreeMap::new();
        for id in marks.iter().map(|marked| marked.case).collect::<BTreeSet<_>>() {
            if let Some(case) = rows.get(&id).and_then(|row| row.case().transpose()) {
                known.insert(id, case?);
            }
        }
        let (ready, early): (Vec<_>, Vec<_>) =
            marks.into_iter().partition(|marked| known.contains_key(&marked.case));
        let early = early.into_iter().map(|marked| (marked.case, marked.message.encode_to_vec()));
        waiting::keep(tx, early.collect()).await?;
        self.raise(tx, &known, &ready).await
    }
}

fn case_id(text: &str) -> Result<Uuid, Error> {
    text.parse().map_err(|_| Error::Text(format!("`{text}` is no case id")))
}
