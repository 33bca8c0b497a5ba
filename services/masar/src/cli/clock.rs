//! `masar clock`: how long may it take?

use std::fmt::Write;

use anyhow::Result;
use clap::Subcommand;
use jiff::Timestamp;
use masar_domain::Language;
use masar_proto::common::v1::{PageRequest, TimeRange};
use masar_proto::sla::v1::sla_service_client::SlaServiceClient;
use masar_proto::sla::v1::{
    Attribution, Clock, EnterPauseRequest, GetCaseClocksRequest, Judgement, ListClocksRequest,
    PreviewDueRequest,
};
use masar_proto::time;

use super::client::{connect, refused};
use super::{Access, Answer, due, local, table};

/// What can be asked of clocks.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Compute a due time; needs no running server.
    Due(due::Arguments),
    /// Clocks, soonest due first.
    List {
        /// running, paused, stopped, cancelled or breached; running and paused when not given.
        #[arg(long, default_value = "")]
        phase: String,
        /// Only the clocks of this code, such as response.
        #[arg(long, default_value = "")]
        clock: String,
        /// Only the clocks of the cases in this queue.
        #[arg(long, default_value = "")]
        queue: String,
        /// Only those due at this time or later, with its offset: `2026-11-15T00:00:00+03:00`.
        #[arg(long)]
        due_from: Option<Timestamp>,
        /// Only those due before this time.
        #[arg(long)]
        due_to: Option<Timestamp>,
        /// Clocks of a page, at most 500.
        #[arg(long, default_value_t = 50)]
        size: u32,
        /// Token of the page, from the one before.
        #[arg(long, default_value = "")]
        page: String,
    },
    /// Every clock of a case and of what others were asked for it: ledgers, what they mean, and whose time it was.
    Show {
        /// Reference or id.
        case: String,
        /// The language of the sentences: `ar` or `en`.
        #[arg(long, default_value_t = Language::En)]
        language: Language,
    },
    /// Enter a pause that nobody entered when it began: the clock is computed anew, a breach stays.
    Pause {
        /// Reference or id of the case.
        case: String,
        /// Code of the clock, such as response.
        #[arg(long)]
        clock: String,
        /// When it began to stand still, with its offset: `2026-11-15T10:00:00+03:00`.
        #[arg(long)]
        from: Timestamp,
        /// When it counted again; before now.
        #[arg(long)]
        to: Timestamp,
        /// The waiting state that the case should have been in.
        #[arg(long, default_value = "awaiting_customer")]
        reason: String,
    },
    /// When something would be due, on the entity's calendar.
    Preview {
        /// How long it may take: `10 business_days`.
        #[arg(long)]
        target: String,
        /// When it begins, with its offset; now when not given.
        #[arg(long)]
        from: Option<Timestamp>,
        /// Name of a calendar; the entity's when not given.
        #[arg(long, default_value = "")]
        calendar: String,
    },
}

type Client = SlaServiceClient<super::client::Asking>;

/// Answers.
pub(crate) async fn run(command: Command, access: &Access) -> Result<Answer> {
    let mut client = SlaServiceClient::new(connect(access).await?);
    match command {
        Command::Due(arguments) => due::run(arguments),
        Command::List { phase, clock, queue, due_from, due_to, size, page } => {
            let page = Some(PageRequest { size, token: page });
            let due = Some(TimeRange { from: due_from.map(time::to_proto), to: due_to.map(time::to_proto) });
            list(client, ListClocksRequest { page, phase, due, queue, clock }).await
        }
        Command::Show { case, language } => show(client, case, language).await,
        Command::Pause { case, clock, from, to, reason } => {
            let (from, to) = (Some(time::to_proto(from)), Some(time::to_proto(to)));
            let request = EnterPauseRequest { case, clock, from, to, reason };
            let found = client.enter_pause(request).await.map_err(|status| refused(&status))?.into_inner();
            let state = found.clock.as_ref().and_then(|clock| clock.state.clone()).unwrap_or_default();
            let (was, is) = (local(found.was_due_at.as_ref()), local(state.due_at.as_ref()));
            Answer::of(
                &found,
                "masar.sla.v1.EnterPauseResponse",
                format!("was due   {was}\ndue       {is}\n"),
            )
        }
        Command::Preview { target, from, calendar } => {
            let request = PreviewDueRequest { calendar, from: from.map(time::to_proto), target };
            let found = client.preview_due(request).await.map_err(|status| refused(&status))?.into_inner();
            let text = format!(
                "due       {}\nday 0     {}\ncalendar  {} version {}\n",
                local(found.due_at.as_ref()),
                found.day0,
                found.calendar,
                found.calendar_version
            );
            Answer::of(&found, "masar.sla.v1.PreviewDueResponse", text)
        }
    }
}

async fn show(mut client: Client, case: String, language: Language) -> Result<Answer> {
    let request = GetCaseClocksRequest { case };
    let found = client.get_case_clocks(request).await.map_err(|status| refused(&status))?.into_inner();
    let all = [found.clocks.as_slice(), found.of_children.as_slice()].concat();
    let mut text = clocks(&all);
    for clock in &all {
        let state = clock.state.clone().unwrap_or_default();
        write!(text, "\n{} {} run {}\n", clock.reference, state.clock, state.run)?;
        let rows = clock.ledger.iter().map(|entry| {
            let (at, due) = (local(entry.at.as_ref()), local(entry.due_at.as_ref()));
            [entry.number.to_string(), at, entry.text.clone(), due]
        });
        text += &table(["", "at", "entry", "then due"], rows);
        for sentence in &clock.explanation {
            writeln!(text, "{}", if language == Language::Ar { &sentence.ar } else { &sentence.en })?;
        }
        text += &judged("as promised", clock.as_promised.as_ref());
        text += &judged("today's rules", clock.under_todays_rules.as_ref());
        text += &whose(clock.attribution.as_ref());
    }
    Answer::of(&found, "masar.sla.v1.GetCaseClocksResponse", text)
}

fn judged(by: &str, judgement: Option<&Judgement>) -> String {
    let Some(judgement) = judgement else { return String::new() };
    let verdict = if judgement.verdict.is_empty() { "open" } else { &judgement.verdict };
    format!("{by:<14} {verdict}, due {}\n", local(judgement.due_at.as_ref()))
}

fn whose(attribution: Option<&Attribution>) -> String {
    let Some(whose) = attribution else { return String::new() };
    let hours = |seconds: i64| format!("{}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60);
    format!(
        "whose time     department {}, customer {}, provider {}, closed {}: together {}\n",
        hours(whose.department_seconds),
        hours(whose.customer_seconds),
        hours(whose.provider_seconds),
        hours(whose.closed_seconds),
        hours(whose.total_seconds)
    )
}

async fn list(mut client: Client, request: ListClocksRequest) -> Result<Answer> {
    let found = client.list_clocks(request).await.map_err(|status| refused(&status))?.into_inner();
    let mut text = clocks(&found.clocks);
    let next = found.page.as_ref().map(|page| page.next_token.as_str()).unwrap_or_default();
    if !next.is_empty() {
        writeln!(text, "more: --page {next}")?;
    }
    Answer::of(&found, "masar.sla.v1.ListClocksResponse", text)
}

fn clocks(clocks: &[Clock]) -> String {
    let rows = clocks.iter().map(|clock| {
        let state = clock.state.clone().unwrap_or_default();
        let due = format!(
            "{}{}",
            local(state.due_at.as_ref()),
            if state.breached_at.is_some() { " !" } else { "" }
        );
        let next = format!("{} {}", clock.next_mark, local(clock.next_mark_at.as_ref()));
        [clock.reference.clone(), state.clock, state.phase, state.target, due, next, clock.queue.clone()]
    });
    table(["reference", "clock", "phase", "target", "due", "next mark", "queue"], rows)
}
