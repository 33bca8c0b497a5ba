//! Which cases a command reads, with everything that happened to them.

use anyhow::Result;
use clap::Args;
use futures::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use masar_proto::cases::v1::case_service_client::CaseServiceClient;
use masar_proto::cases::v1::{Case, CaseEvent, GetCaseRequest, ListCaseEventsRequest, ListCasesRequest};
use masar_proto::common::v1::PageRequest;
use masar_proto::time;

use super::client::{Asking, refused};

/// Cases and events of a page.
const PAGE: u32 = 500;
/// Cases whose events are read at a time.
const ABREAST: usize = 8;

/// Which cases of the entity.
#[derive(Args)]
pub(crate) struct Selection {
    /// Only those of this type, such as complaint.
    #[arg(long, default_value = "")]
    pub(crate) case_type: String,
    /// Only those of this package.
    #[arg(long, default_value = "")]
    pub(crate) package: String,
    /// Only those in this state.
    #[arg(long)]
    pub(crate) state: Vec<String>,
    /// Only those received at this time or later, with its offset: `2026-11-15T00:00:00+03:00`.
    #[arg(long)]
    pub(crate) since: Option<Timestamp>,
    /// Only those received before this time.
    #[arg(long)]
    pub(crate) until: Option<Timestamp>,
}

/// A case with everything that happened to it, oldest first.
pub(crate) struct Told {
    pub(crate) case: Case,
    pub(crate) events: Vec<CaseEvent>,
}

pub(crate) type Cases = CaseServiceClient<Asking>;

impl Selection {
    /// The cases with their events, oldest first.
    pub(crate) async fn read(&self, client: &Cases) -> Result<Vec<Told>> {
        let mut cases = self.cases(client).await?;
        cases.reverse();
        // A list does not tell of links.
        let told = |case: Case| async move {
            let events = events(client, &case.case_id).await?;
            anyhow::Ok(Told { case: whole(client, case.case_id).await?, events })
        };
        stream::iter(cases).map(told).buffered(ABREAST).try_collect().await
    }

    async fn cases(&self, client: &Cases) -> Result<Vec<Case>> {
        let (mut found, mut token) = (Vec::new(), String::new());
        loop {
            let request = ListCasesRequest {
                page: Some(PageRequest { size: PAGE, token }),
                states: self.state.clone(),
                case_type: self.case_type.clone(),
                ..ListCasesRequest::default()
            };
            let page =
                client.clone().list_cases(request).await.map_err(|status| refused(&status))?.into_inner();
            found.extend(page.cases.into_iter().filter(|case| self.wants(case)));
            token = page.page.unwrap_or_default().next_token;
            if token.is_empty() {
                return Ok(found);
            }
        }
    }

    /// What the list of cases cannot be asked for.
    fn wants(&self, case: &Case) -> bool {
        let received = time::from_proto(case.received_at.as_ref()).unwrap_or_default();
        (self.package.is_empty() || self.package == case.package)
            && self.since.is_none_or(|since| since <= received)
            && self.until.is_none_or(|until| received < until)
    }
}

/// A case with its forms and links.
pub(crate) async fn whole(client: &Cases, case: String) -> Result<Case> {
    let request = GetCaseRequest { case, at_least_version: 0 };
    Ok(client.clone().get_case(request).await.map_err(|status| refused(&status))?.into_inner())
}

/// Everything that happened to a case.
pub(crate) async fn events(client: &Cases, case: &str) -> Result<Vec<CaseEvent>> {
    let (mut found, mut token) = (Vec::new(), String::new());
    loop {
        let page = Some(PageRequest { size: PAGE, token });
        let request = ListCaseEventsRequest { case: case.to_owned(), page };
        let page =
            client.clone().list_case_events(request).await.map_err(|status| refused(&status))?.into_inner();
        found.extend(page.events);
        token = page.page.unwrap_or_default().next_token;
        if token.is_empty() {
            return Ok(found);
        }
    }
}
