//! `masar case`: read cases, and move them.

use std::fmt::Write;

use anyhow::{Context, Result};
use clap::Subcommand;
use masar_proto::cases::v1::case_service_client::CaseServiceClient;
use masar_proto::cases::v1::{
    AvailableTransitionsRequest, Case, GetCaseRequest, ListCaseEventsRequest, ListCasesRequest,
    TransitionRequest,
};
use masar_proto::common::v1::{Importance, PageRequest};
use masar_proto::json;

use super::client::{connect, refused};
use super::{Access, Answer, local, table};

/// What can be asked of cases.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// One case, and what you may do with it now.
    Show {
        /// Reference or id.
        case: String,
    },
    /// Cases, newest first.
    List {
        /// Only those in this state.
        #[arg(long)]
        state: Vec<String>,
        /// Only those in this queue.
        #[arg(long, default_value = "")]
        queue: String,
        /// Words of subject or reference, in Arabic or English.
        #[arg(long, default_value = "")]
        text: String,
        /// Cases of a page, at most 500.
        #[arg(long, default_value_t = 50)]
        size: u32,
        /// Token of the page, from the one before.
        #[arg(long, default_value = "")]
        page: String,
    },
    /// Fire a transition.
    Move {
        /// Reference or id.
        case: String,
        /// The action, as `case show` names it.
        action: String,
        /// The form's data, as JSON.
        #[arg(long)]
        form: Option<String>,
        /// Why.
        #[arg(long, default_value = "")]
        reason: String,
        /// The version that you have seen: refused when somebody was faster.
        #[arg(long, default_value_t = 0)]
        version: u64,
    },
    /// Everything that happened to a case.
    History {
        /// Reference or id.
        case: String,
    },
}

type Client = CaseServiceClient<super::client::Asking>;

/// Answers.
pub(crate) async fn run(command: Command, access: &Access) -> Result<Answer> {
    let client = CaseServiceClient::new(connect(access).await?);
    match command {
        Command::Show { case } => show(client, case).await,
        Command::List { state, queue, text, size, page } => {
            let page = Some(PageRequest { size, token: page });
            list(client, ListCasesRequest { states: state, queue, text, page, ..ListCasesRequest::default() })
                .await
        }
        Command::Move { case, action, form, reason, version } => {
            let form =
                form.map(|form| serde_json::from_str(&form)).transpose().context("--form is no JSON")?;
            let form = form.as_ref().map(json::to_struct);
            act(client, TransitionRequest { case, action, expected_version: version, form, reason }).await
        }
        Command::History { case } => history(client, case).await,
    }
}

async fn show(mut client: Client, case: String) -> Result<Answer> {
    let request = GetCaseRequest { case: case.clone(), at_least_version: 0 };
    let found = client.get_case(request).await.map_err(|status| refused(&status))?.into_inner();
    let request = AvailableTransitionsRequest { case };
    let doable = client.available_transitions(request).await.map_err(|status| refused(&status))?.into_inner();
    let mut text = shown(&found);
    for standing in found.quotas.iter().flat_map(|tally| &tally.standings) {
        let sentence = standing.sentence.as_ref().map(|sentence| sentence.en.as_str()).unwrap_or_default();
        writeln!(text, "quota      {sentence}{}", if standing.met { "" } else { "   (not met)" })?;
    }
    for link in &found.links {
        let said = [&link.link, &link.reference, &link.entity, &link.package, &link.state];
        let said: Vec<&str> = said.into_iter().map(String::as_str).filter(|part| !part.is_empty()).collect();
        writeln!(text, "linked     {}", said.join(" "))?;
    }
    for line in doable.transitions {
        let why = if line.allowed { String::new() } else { format!("   no: {}", line.refusal) };
        let form = if line.form.is_empty() { String::new() } else { format!(" (form {})", line.form) };
        writeln!(text, "  {}{form}{why}", line.action)?;
    }
    Answer::of(&found, "masar.cases.v1.Case", text)
}

async fn list(mut client: Client, request: ListCasesRequest) -> Result<Answer> {
    let found = client.list_cases(request).await.map_err(|status| refused(&status))?.into_inner();
    let rows = found.cases.iter().map(|case| {
        let due = format!("{}{}", local(case.due_at.as_ref()), if case.breached { " !" } else { "" });
        let [reference, state] = [&case.reference, &case.state].map(Clone::clone);
        [reference, state, importance(case), case.queue.clone(), case.assignee.clone(), due, subject(case)]
    });
    let mut text = table(["reference", "state", "importance", "queue", "assignee", "due", "subject"], rows);
    let next = found.page.as_ref().map(|page| page.next_token.as_str()).unwrap_or_default();
    if !next.is_empty() {
        writeln!(text, "more: --page {next}")?;
    }
    Answer::of(&found, "masar.cases.v1.ListCasesResponse", text)
}

async fn act(mut client: Client, request: TransitionRequest) -> Result<Answer> {
    let moved = client.transition(request).await.map_err(|status| refused(&status))?.into_inner();
    let text = moved.case.as_ref().map(shown).unwrap_or_default();
    Answer::of(&moved, "masar.cases.v1.TransitionResponse", text)
}

async fn history(mut client: Client, case: String) -> Result<Answer> {
    let request = ListCaseEventsRequest { case, page: Some(PageRequest { size: 500, token: String::new() }) };
    let found = client.list_case_events(request).await.map_err(|status| refused(&status))?.into_inner();
    let rows = found.events.iter().map(|event| {
        let what = if event.kind == "transition" { event.action.clone() } else { event.kind.clone() };
        let why = if event.text.is_empty() { &event.reason } else { &event.text };
        [local(event.at.as_ref()), what, event.to_state.clone(), event.actor.clone(), why.clone()]
    });
    let text = table(["at", "what", "state", "by", "why"], rows);
    Answer::of(&found, "masar.cases.v1.ListCaseEventsResponse", text)
}

fn shown(case: &Case) -> String {
    let label = case.state_label.clone().unwrap_or_default();
    let recurs = match case.recurrence {
        0 => String::new(),
        number => format!("recurs     {number} of the same\n"),
    };
    format!(
        "{}  version {}\nstate      {} ({} / {})\nimportance {}\nsubject    {}\nqueue      {}  {}\ndue        {}{}\n{recurs}",
        case.reference,
        case.version,
        case.state,
        label.en,
        label.ar,
        importance(case),
        subject(case),
        case.queue,
        case.assignee,
        local(case.due_at.as_ref()),
        if case.breached { "  (late)" } else { "" },
    )
}

fn importance(case: &Case) -> String {
    Importance::try_from(case.importance)
        .ok()
        .and_then(Importance::word)
        .map(|word| word.to_string())
        .unwrap_or_default()
}

fn subject(case: &Case) -> String {
    let subject = case.subject.clone().unwrap_or_default();
    if subject.en.is_empty() { subject.ar } else { subject.en }
}
