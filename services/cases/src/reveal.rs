//! What a caller finds of what cases conceal, and the entry that says who looked (CMP-07, AMB-01).

use std::collections::{BTreeMap, BTreeSet};

use masar_proto::cases::v1 as api;
use masar_runtime::Caller;
use masar_workflow::{Actor, CaseEvent};
use uuid::Uuid;

use crate::api::{actor, order};
use crate::app::{App, Deed, Error, READING};
use crate::encode;
use crate::store::{case, concealed, entry};

/// Somebody reads cases.
pub(crate) struct Reader<'a> {
    app: &'a App,
    caller: &'a Caller,
    actor: Actor,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(app: &'a App, caller: &'a Caller) -> Self {
        Self { app, caller, actor: actor(caller) }
    }

    /// The concealed links of a case that the caller may see, from either end. Before they are given away it is written down
    /// who read them.
    pub(crate) async fn links(&self, row: &case::Model) -> Result<Vec<api::CaseLink>, Error> {
        let mut seen = Vec::new();
        for link in concealed::of(&self.app.store, row.id).await? {
            let lodger = match link.case_id == row.id {
                true => row.clone(),
                false => self.app.find(&row.tenant, &link.case_id.to_string()).await?,
            };
            if self.sees(&lodger, &link.link, &link.lodged_by) {
                seen.push((link, lodger));
            }
        }
        let children = seen.iter().map(|(link, _)| link.child_id).collect::<BTreeSet<Uuid>>();
        let children = case::all(&self.app.store, children).await?;
        let references: BTreeMap<Uuid, String> =
            children.into_iter().map(|child| (child.id, child.reference)).collect();
        let mut links = Vec::new();
        for (link, lodger) in seen {
            let child = references.get(&link.child_id).cloned().unwrap_or_default();
            self.write_down(lodger.id, &link.link, &child).await?;
            let (other, reference) = match lodger.id == row.id {
                true => (link.child_id, child),
                false => (lodger.id, lodger.reference),
            };
            // One that is not opened yet has no reference.
            if !reference.is_empty() {
                let case_id = other.to_string();
                let link = link.link;
                links.push(api::CaseLink {
                    link,
                    case_id,
                    reference,
                    concealed: true,
                    ..api::CaseLink::default()
                });
            }
        }
        Ok(links)
    }

    /// The entries of a case that the caller finds. As for links, it is written down first who read what is concealed.
    pub(crate) async fn entries(
        &self,
        row: &case::Model,
        entries: Vec<entry::Model>,
    ) -> Result<Vec<api::CaseEvent>, Error> {
        let (mut found, mut read) = (Vec::new(), BTreeSet::new());
        for entry in entries {
            let event = entry.event.as_deref().and_then(|text| serde_json::from_str::<CaseEvent>(text).ok());
            let link = event.as_ref().and_then(|event| Some(event.concealed().next()?.0.to_owned()));
            let concealed = link.is_some() || entry.kind == READING;
            let seen = match &link {
                Some(link) => self.sees(row, link, &entry.actor),
                // Who else read a link is not for whoever lodged it to know.
                None => !concealed || self.sees(row, &entry.action, ""),
            };
            if seen {
                read.extend(link);
                found.push(api::CaseEvent { concealed, ..encode::entry(entry, event) });
            }
        }
        for link in read {
            self.write_down(row.id, &link, "").await?;
        }
        Ok(found)
    }

    /// True when the caller learns of a link that somebody lodged from this case. What a package reveals that is not there is not
    /// known.
    fn sees(&self, row: &case::Model, link: &str, lodged_by: &str) -> bool {
        let package = self.app.package(row);
        package.is_ok_and(|package| package.definition().reveals(link, lodged_by, &row.state, &self.actor))
    }

    async fn write_down(&self, case: Uuid, link: &str, reference: &str) -> Result<(), Error> {
        let deed = Deed::Read { link: link.to_owned(), reference: reference.to_owned() };
        self.app.batcher.submit(order(self.app, self.caller, case, deed)).await.map(drop)
    }
}
