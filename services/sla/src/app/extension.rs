//! More time for a clock: once, and where the package says so only when the customer was told before the due time (T9).

use jiff::Timestamp;
use masar_clock::Event as ClockEvent;
use masar_domain::BiText;
use masar_proto::events::v1::ClockEffect;
use masar_proto::kinds;
use masar_store::time::from_db;
use masar_worktime::Target;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::session::target;
use super::{Error, Session};
use crate::store::{clock, told};

/// More time that was granted and holds once the customer has been told of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Extension {
    /// The template of the message.
    template: String,
    by: Target,
    reason: String,
    granted_by: String,
    granted_at: Timestamp,
}

impl Extension {
    /// What a clock waits for, if it waits for this.
    pub(crate) fn of(row: &clock::Model) -> Result<Option<Self>, Error> {
        Ok(row.extension.clone().map(serde_json::from_value).transpose()?)
    }

    /// The same in words.
    pub(crate) fn sentence(&self) -> BiText {
        let Self { by, granted_by, .. } = self;
        BiText {
            ar: format!(
                "منح {granted_by} تمديدا ({by})، ويسري متى أبلغ المتعامل قبل موعد الاستحقاق، وإلا فلا يسري."
            ),
            en: format!(
                "{granted_by} granted an extension of {by}: it holds once the customer has been told before the clock is due, and otherwise not."
            ),
        }
    }

    fn is_told_by(&self, told: &told::Model) -> bool {
        // A database keeps microseconds: finer times are not told apart.
        let [granted, asked] = [self.granted_at, from_db(told.asked_at)].map(Timestamp::as_microsecond);
        self.template == told.template && asked >= granted
    }
}

impl Session<'_> {
    /// Somebody grants more time: it holds at once, or when the customer has been told.
    pub(super) fn extend(&mut self, case: Uuid, effect: &ClockEffect, at: Timestamp) -> Result<(), Error> {
        let Some(row) = self.open_run(case, &effect.clock).cloned() else { return Ok(()) };
        let template = effect.messages.first().cloned();
        let extension = Extension {
            template: template.clone().unwrap_or_default(),
            by: target(&effect.target)?,
            reason: effect.reason.clone(),
            granted_by: effect.granted_by.clone(),
            granted_at: at,
        };
        let Some(template) = template else { return self.grant(row, extension, at) };
        let key = (case, template);
        match self.early.get(&key).filter(|told| extension.is_told_by(told)).map(|told| from_db(told.at)) {
            Some(told_at) => {
                self.early.remove(&key);
                self.grant(row, extension, told_at)
            }
            None => {
                let extension = Some(serde_json::to_value(&extension)?);
                self.keep(clock::Model { extension, ..row });
                Ok(())
            }
        }
    }

    /// The customer was told: the extension that waits for it holds from now on. False when none does.
    pub(super) fn extend_told(&mut self, told: &told::Model) -> Result<bool, Error> {
        let rows = self.rows.get(&told.case_id).into_iter().flatten();
        let waiting: Vec<_> = rows.filter(|row| row.is_open() && row.extension.is_some()).cloned().collect();
        let mut found = false;
        for row in waiting {
            if let Some(extension) = Extension::of(&row)?.filter(|extension| extension.is_told_by(told)) {
                found = true;
                self.grant(row, extension, from_db(told.at))?;
            }
        }
        Ok(found)
    }

    fn grant(&mut self, row: clock::Model, extension: Extension, at: Timestamp) -> Result<(), Error> {
        let row = clock::Model { extension: None, ..row };
        self.keep(row.clone());
        let Extension { by, reason, granted_by, .. } = extension;
        match self.add(row, ClockEvent::Extended { by, reason, granted_by }, at, kinds::CLOCK_EXTENDED) {
            // A grant that comes too late is no failure of the bus: the promise stands as it was.
            Err(Error::Clock { clock, error }) => {
                tracing::warn!(clock, %error, "an extension was not granted");
                Ok(())
            }
            result => result,
        }
    }
}
