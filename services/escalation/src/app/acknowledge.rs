//! A level says that it has taken notice.

use masar_domain::Identity;
use masar_proto::kinds;
use masar_runtime::Caller;
use masar_store::Store;
use masar_store::time::{from_db, to_db};
use uuid::Uuid;

use super::{Core, Error, told};
use crate::store::{case, escalation};

/// The level that is only warned; the others say what they will do.
const WARNED: &str = "L0";
/// Roles that may acknowledge for whomever a level told.
const FOR_OTHERS: [&str; 2] = ["tenant_admin", "oversight_officer"];

impl Core {
    /// Acknowledges an escalation of the caller's tenant; done twice by the same person it changes nothing.
    pub(crate) async fn acknowledge(
        &self,
        store: &Store,
        caller: &Caller,
        id: Uuid,
        reason: &str,
    ) -> Result<escalation::Model, Error> {
        let (tenant, unknown) = (&caller.tenant.0, || Error::NotFound(id.to_string()));
        let case = escalation::case_of(store, tenant, id).await?.ok_or_else(unknown)?;
        let tx = store.begin().await?;
        // First the case, as whoever raises its levels does: nobody waits for each other.
        let held = case::hold(&tx, &[case].into()).await?;
        let mut row = escalation::lock(&tx, tenant, id).await?.ok_or_else(unknown)?;
        let actor = &caller.identity;
        if row.acknowledged_by == actor.subject && row.acknowledged_at.is_some() {
            return Ok(row);
        }
        permitted(&row, actor, reason)?;
        let now = self.clock.now();
        row.acknowledged_by.clone_from(&actor.subject);
        row.acknowledged_at = Some(to_db(now));
        reason.clone_into(&mut row.reason);
        let case = held.first().map(case::Model::case).transpose()?.flatten();
        self.outbox.put(&tx, vec![told(kinds::ESCALATION_ACKNOWLEDGED, &row, case, now)]).await?;
        escalation::update(&tx, row.clone()).await?;
        tx.commit().await.map_err(masar_store::Error::from)?;
        self.outbox.wake();
        Ok(row)
    }
}

fn permitted(row: &escalation::Model, actor: &Identity, reason: &str) -> Result<(), Error> {
    let for_others = actor.roles.iter().any(|role| FOR_OTHERS.contains(&role.0.as_str()));
    if !for_others && !row.people.0.contains(&actor.subject) {
        return Err(Error::NotTold);
    }
    if let Some(at) = row.acknowledged_at {
        return Err(Error::Acknowledged { by: row.acknowledged_by.clone(), at: from_db(at) });
    }
    if reason.is_empty() && row.level != WARNED {
        return Err(Error::Reason(row.level.clone()));
    }
    Ok(())
}
