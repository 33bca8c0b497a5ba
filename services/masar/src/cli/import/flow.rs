//! From the file to the lanes: rows are read and mapped in a thread of their own, and each goes to its entity's stream.

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::{Result, anyhow};
use masar_proto::intake::v1::SubmitCaseRequest;
use masar_proto::intake::v1::intake_service_client::IntakeServiceClient;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::dry::DryRun;
use super::lane::{IN_FLIGHT, Lane};
use super::plan::{Mapped, Plan};
use super::rows::{Input, Row};
use super::tally::Tally;
use crate::cli::Access;
use crate::cli::client::Way;

/// Rows that are handed over at once, and how many such handfuls may wait.
const HANDFUL: usize = 128;
const HANDFULS: usize = 8;
/// A file with more entities is no longer one whose entities somebody looked at.
const MOST_TENANTS: usize = 100;

/// A row, and what the mapping made of it.
type Read = (Row, Result<Mapped, String>);

/// Reads and maps rows, up to a limit, as fast as they are taken.
pub(super) fn read(
    mut input: Input,
    plan: Arc<Plan>,
    limit: Option<u64>,
) -> mpsc::Receiver<Result<Vec<Read>>> {
    let (send, handfuls) = mpsc::channel(HANDFULS);
    tokio::task::spawn_blocking(move || {
        let mut left = limit.unwrap_or(u64::MAX);
        loop {
            let most = left.min(HANDFUL as u64);
            left -= most;
            let rows = (0..most).map_while(|_| input.next().transpose());
            let rows =
                rows.map(|row| row.map(|row| (plan.map(&row), row)).map(|(mapped, row)| (row, mapped)));
            let mut broken = None;
            let rows: Vec<_> = rows.map_while(|row| row.map_err(|error| broken = Some(error)).ok()).collect();
            // Nobody takes rows any more when the import was given up.
            if rows.is_empty() && broken.is_none() || send.blocking_send(Ok(rows)).is_err() {
                return;
            }
            if let Some(error) = broken {
                drop(send.blocking_send(Err(error)));
                return;
            }
        }
    });
    handfuls
}

/// Where mapped rows go.
pub(super) enum Sink {
    Dry(Box<DryRun>),
    Lanes(Lanes),
}

/// The streams of the entities.
pub(super) struct Lanes {
    way: Way,
    plan: Arc<Plan>,
    open: HashMap<Option<String>, mpsc::Sender<(Row, SubmitCaseRequest)>>,
    running: JoinSet<Result<()>>,
}

impl Sink {
    /// A sink that submits, over a connection that was tried.
    ///
    /// # Errors
    /// When nobody answers, or nobody says who asks.
    pub(super) async fn lanes(access: &Access, plan: &Arc<Plan>) -> Result<Self> {
        let (way, plan) = (Way::open(access).await?, Arc::clone(plan));
        Ok(Self::Lanes(Lanes { way, plan, open: HashMap::new(), running: JoinSet::new() }))
    }

    /// Sends every row where it belongs, and waits until each has its answer.
    ///
    /// # Errors
    /// What ends the import early: the file, the server, or the file of rejected rows.
    pub(super) async fn take(
        mut self,
        mut handfuls: mpsc::Receiver<Result<Vec<Read>>>,
        named: Option<String>,
        tally: Arc<Tally>,
    ) -> Result<()> {
        let mut read = Ok(());
        'rows: while let Some(handful) = handfuls.recv().await {
            let rows = match handful {
                Ok(rows) => rows,
                Err(error) => {
                    read = Err(error);
                    break;
                }
            };
            for (row, mapped) in rows {
                let mapped = mapped.and_then(|mapped| agreed(mapped, named.as_deref()));
                match mapped {
                    Err(reason) => tally.reject(&row, &reason)?,
                    Ok(Mapped { tenant, case }) => {
                        if !self.put(tenant, row, case, &tally).await? {
                            break 'rows;
                        }
                    }
                }
            }
        }
        // A lane that failed says why; what was in flight on the others is still answered.
        drop(handfuls);
        if let Self::Lanes(Lanes { open, mut running, .. }) = self {
            drop(open);
            while let Some(ended) = running.join_next().await {
                ended??;
            }
        }
        read
    }

    /// False when its lane has ended early.
    async fn put(
        &mut self,
        tenant: Option<String>,
        row: Row,
        case: SubmitCaseRequest,
        tally: &Arc<Tally>,
    ) -> Result<bool> {
        match self {
            Self::Dry(dry) => {
                match dry.check(tenant.as_deref(), case) {
                    Ok(duplicate) => tally.taken(duplicate),
                    Err(reason) => tally.reject(&row, &reason)?,
                }
                Ok(true)
            }
            Self::Lanes(lanes) => match lanes.of(&tenant, tally)? {
                Some(lane) => Ok(lane.send((row, case)).await.is_ok()),
                None => {
                    let reason = format!("the file names more than {MOST_TENANTS} entities before this one");
                    tally.reject(&row, &reason).map(|()| true)
                }
            },
        }
    }
}

impl Lanes {
    /// The lane of an entity, opened with its first row; none when there are too many.
    fn of(
        &mut self,
        tenant: &Option<String>,
        tally: &Arc<Tally>,
    ) -> Result<Option<&mpsc::Sender<(Row, SubmitCaseRequest)>>> {
        if !self.open.contains_key(tenant) {
            if self.open.len() == MOST_TENANTS {
                return Ok(None);
            }
            let (send, input) = mpsc::channel(IN_FLIGHT);
            let client = IntakeServiceClient::new(self.way.asking(tenant.as_deref())?);
            let lane = Lane::new(client, input, Arc::clone(&self.plan), Arc::clone(tally));
            self.running.spawn(lane.run());
            self.open.insert(tenant.clone(), send);
        }
        Ok(self.open.get(tenant))
    }
}

/// The row with its entity: the mapping's, or else --tenant's. Where both name one, they must agree.
fn agreed(mapped: Mapped, named: Option<&str>) -> Result<Mapped, String> {
    match (&mapped.tenant, named) {
        (Some(of_row), Some(named)) if of_row != named => {
            Err(format!("the row is of {of_row}, the import is for {named}"))
        }
        (Some(_), _) => Ok(mapped),
        (None, named) => Ok(Mapped { tenant: named.map(str::to_owned), ..mapped }),
    }
}

/// Refuses a --tenant that the mapping contradicts.
///
/// # Errors
/// Both, by name.
pub(super) fn same_tenant(plan: &Plan, named: Option<&str>) -> Result<()> {
    match (plan.tenant(), named) {
        (Some(fixed), Some(named)) if fixed != named => {
            Err(anyhow!("the mapping is for {fixed}, --tenant (or MASAR_TENANT) says {named}"))
        }
        _ => Ok(()),
    }
}
