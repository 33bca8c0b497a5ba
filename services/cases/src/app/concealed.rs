//! Concealed children: how one is lodged, and how the case that lodged it hears what has become of it (CMP-07).

use jiff::Timestamp;
use masar_bus::Event;
use masar_proto::events::v1::{CaseLodged, ChildChanged};
use masar_proto::{json, kinds, time};
use masar_workflow::{CaseEvent, Effect};
use uuid::Uuid;

use super::{Error, Session};
use crate::encode;
use crate::store::{case, concealed};

/// The concealed children that an event asks for: the link that stays here, and what the others hear, which names neither the
/// case nor anybody who acts on it.
pub(super) fn lodged(row: &case::Model, event: &CaseEvent) -> Vec<(concealed::Model, Event)> {
    let lodge = |effect: &Effect| {
        let Effect::Child { package, link, form, lodged_by: Some(name), .. } = effect else { return None };
        let child = Uuid::now_v7();
        let nobody = name.is_empty();
        let message = CaseLodged {
            case_id: child.to_string(),
            tenant: row.tenant.clone(),
            package: package.clone(),
            form: Some(json::to_struct(form)),
            lodged_by: if nobody { child.to_string() } else { name.clone() },
            at: Some(time::to_proto(event.at)),
        };
        // Its own trace begins with it, so that none leads from one case to the other.
        let told = Event::new(kinds::CASE_LODGED, &row.tenant, &child, event.at, &message);
        let kept = concealed::Model {
            child_id: child,
            tenant: row.tenant.clone(),
            case_id: row.id,
            link: link.clone(),
            lodged_by: event.actor.clone(),
        };
        Some((kept, Event { traceparent: None, ..told }))
    };
    event.effects.iter().filter_map(lodge).collect()
}

impl Session<'_> {
    /// Tells the case that lodged a concealed child what that has become. Whatever keeps it from hearing is no reason to hold up
    /// the child, whose handlers would wonder why.
    pub(super) fn tell_above(&mut self, child: Uuid, at: Timestamp) {
        let Some(link) = self.above.get(&child).cloned() else { return };
        if let Err(error) = self.hear_of_child(child, &link, at) {
            tracing::error!(%error, case = %link.case_id, "a case cannot hear of what it lodged");
        }
    }

    fn hear_of_child(&mut self, child: Uuid, link: &concealed::Model, at: Timestamp) -> Result<(), Error> {
        let Some((row, case)) = self.known(child) else { return Ok(()) };
        let told = ChildChanged { link: link.link.clone(), ..encode::child(row, case, &link.case_id, at) };
        let asked = self.know(link.case_id, told)?;
        asked.into_iter().try_for_each(|action| self.act(link.case_id, action, at))
    }
}
