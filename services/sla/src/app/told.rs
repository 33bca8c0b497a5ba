//! What waits until somebody was really told: clocks that stop then, such as the acknowledgement (section 4.3), and more
//! time for a clock (T9).

use jiff::Timestamp;
use masar_clock::Event as ClockEvent;
use masar_proto::events::v1::{ClockEffect, MessageTold};
use masar_proto::{kinds, time};
use masar_store::time::{from_db, to_db};
use uuid::Uuid;

use super::{Error, Session};
use crate::store::{clock, told};

impl Session<'_> {
    /// A message was delivered, or there is nobody to tell: what waits for it happens, or will when it is asked for.
    pub(crate) fn told(&mut self, message: &MessageTold) -> Result<(), Error> {
        let told = read(message, self.keeper.clock.now())?;
        if !self.extend_told(&told)? && !self.stop_told(&told)? {
            self.early.insert((told.case_id, told.template.clone()), told);
        }
        Ok(())
    }

    /// Stops a clock that has just started, if what it waits for was told before we heard of it.
    pub(super) fn stop_if_told(&mut self, case: Uuid, effect: &ClockEffect) -> Result<(), Error> {
        for template in &effect.messages {
            if let Some(told) = self.early.remove(&(case, template.clone())) {
                self.stop_told(&told)?;
            }
        }
        Ok(())
    }

    /// Finds the run during which the message was asked for, and stops it if it is open. False when there is none.
    fn stop_told(&mut self, told: &told::Model) -> Result<bool, Error> {
        let rows = self.rows.get(&told.case_id).into_iter().flatten();
        let waiting: Vec<_> = rows.filter(|row| awaits(row, &told.template)).cloned().collect();
        let mut found = false;
        for row in waiting {
            if !row.run()?.asked_during(from_db(told.asked_at), row.is_open()) {
                continue;
            }
            found = true;
            if row.is_open() {
                let event = ClockEvent::Stopped { reason: Some(told.reason.clone()) };
                self.add(row, event, from_db(told.at), kinds::CLOCK_COMPLETED)?;
            }
        }
        Ok(found)
    }
}

fn read(message: &MessageTold, now: Timestamp) -> Result<told::Model, Error> {
    let unreadable = || Error::Text(format!("a message of the case `{}` without its times", message.case_id));
    let at = time::from_proto(message.at.as_ref()).ok_or_else(unreadable)?;
    let asked_at = time::from_proto(message.asked_at.as_ref()).ok_or_else(unreadable)?;
    let (template, channel) = (&message.template, &message.channel);
    Ok(told::Model {
        case_id: message.case_id.parse().map_err(|_| unreadable())?,
        template: template.clone(),
        asked_at: to_db(asked_at),
        at: to_db(at),
        heard_at: to_db(now),
        reason: match message.obstacle.as_str() {
            "" => format!("`{template}` was delivered by {channel}"),
            obstacle => format!("`{template}` has nobody to reach: {obstacle}"),
        },
    })
}

fn awaits(row: &clock::Model, template: &str) -> bool {
    row.messages.as_array().is_some_and(|messages| messages.iter().any(|message| message == template))
}
