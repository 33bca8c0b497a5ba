//! `masar sla`: how the promises of an entity stand, and what no clock or nobody watches over.

use anyhow::Result;
use clap::{Args, Subcommand};
use masar_proto::cases::v1::case_service_client::CaseServiceClient;
use masar_proto::cases::v1::{Case, ListCasesRequest};
use masar_proto::common::v1::{Importance, PageRequest};
use masar_proto::sla::v1::sla_service_client::SlaServiceClient;
use masar_proto::sla::v1::{
    CaseWithoutClock, GetSummaryRequest, ListCasesWithoutClockRequest, Summary, SummaryLine,
};
use serde_json::json;

use super::client::{connect, refused};
use super::{Access, Answer, Output, local, print, table};
use crate::json;

/// What a summary answers with.
const SUMMARY: &str = "masar.sla.v1.Summary";
/// Cases of each list of alarms: who has more of them has seen enough.
const MOST: u32 = 500;

/// What can be asked of the promises.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Promises that are open, at risk, broken and kept, and how late the timers are.
    Summary(SummaryArguments),
    /// Open cases that nobody has, and those of which no clock lives.
    Alarms,
}

/// Which promises are counted.
#[derive(Args)]
pub(crate) struct SummaryArguments {
    /// Tell apart by these: department, service, importance, stage, clock; several with commas between.
    #[arg(long, value_delimiter = ',')]
    by: Vec<String>,
    /// Only those of this department.
    #[arg(long, default_value = "")]
    department: String,
    /// Count as kept or broken what ended in so many days before now.
    #[arg(long, default_value_t = 30)]
    days: u32,
    /// Print it again whenever it changes, until the server stops or Ctrl-C.
    #[arg(long)]
    watch: bool,
}

/// Answers.
pub(crate) async fn run(command: Command, access: &Access, output: Output) -> Result<Answer> {
    let asking = connect(access).await?;
    let mut sla = SlaServiceClient::new(asking.clone());
    let arguments = match command {
        Command::Summary(arguments) => arguments,
        Command::Alarms => {
            let page = || Some(PageRequest { size: MOST, token: String::new() });
            let request =
                ListCasesRequest { page: page(), without_owner: true, ..ListCasesRequest::default() };
            let alone = CaseServiceClient::new(asking).list_cases(request).await;
            let alone = alone.map_err(|status| refused(&status))?.into_inner().cases;
            let request = ListCasesWithoutClockRequest { page: page() };
            let unwatched = sla.list_cases_without_clock(request).await;
            return alarms(&alone, &unwatched.map_err(|status| refused(&status))?.into_inner().cases);
        }
    };
    let SummaryArguments { by, department, days, watch } = arguments;
    let request = GetSummaryRequest { by: by.clone(), department, days };
    if !watch {
        let found = sla.get_summary(request).await.map_err(|status| refused(&status))?.into_inner();
        return Answer::of(&found, SUMMARY, text(&found, &by));
    }
    let mut seen = sla.watch_summary(request).await.map_err(|status| refused(&status))?.into_inner();
    while let Some(found) = seen.message().await.map_err(|status| refused(&status))? {
        print(output, &Answer::of(&found, SUMMARY, text(&found, &by))?)?;
    }
    Ok(Answer { table: "the server has stopped\n".to_owned(), json: json!({"stopped": true}) })
}

fn text(found: &Summary, by: &[String]) -> String {
    let dimension = |line: &SummaryLine, name: &str| match name {
        "department" => line.department.clone(),
        "service" => line.service.clone(),
        "stage" => line.stage.clone(),
        "clock" => line.clock.clone(),
        _ => Importance::word(line.importance()).map(|word| word.to_string()).unwrap_or_default(),
    };
    let row = |line: &SummaryLine, of: String| {
        let counts = [line.open, line.at_risk, line.breached, line.kept, line.broken];
        let [open, at_risk, breached, kept, broken] = counts.map(|count| count.to_string());
        let share = line.kept_share.map(|share| format!("{:.1} %", share * 100.0)).unwrap_or_default();
        [of, open, at_risk, breached, kept, broken, share]
    };
    let lines = found.lines.iter().map(|line| {
        let named: Vec<_> = by.iter().map(|name| dimension(line, name)).collect();
        row(line, named.join(" / "))
    });
    let total = found.total.iter().map(|total| row(total, "all".to_owned()));
    let header = by.join(" / ");
    let mut text = table(
        [header.as_str(), "open", "at risk", "broken", "kept", "ended late", "kept share"],
        lines.chain(total),
    );
    if found.without_clock > 0 {
        text += &format!("{} open cases have no live clock: see `masar sla alarms`\n", found.without_clock);
    }
    if let Some(timers) = &found.timers {
        text += &format!(
            "timers: {:.3} s behind now; the last {} fired within {:.3} s (half of them) and {:.3} s (99 of 100)\n",
            timers.waiting_seconds, timers.fired, timers.p50_seconds, timers.p99_seconds
        );
    }
    text
}

fn alarms(alone: &[Case], unwatched: &[CaseWithoutClock]) -> Result<Answer> {
    let without_owner = alone.iter().map(|case| {
        let (reference, state, department) = (&case.reference, &case.state, &case.department);
        [reference.clone(), "nobody has it".to_owned(), state.clone(), department.clone(), String::new()]
    });
    let without_clock = unwatched.iter().map(|case| {
        let (reference, stage, department) = (&case.reference, &case.stage, &case.department);
        let since = local(case.since.as_ref());
        let alarm = match case.promised {
            true => "no clock lives",
            false => "no clock lives: its package promises nothing in this stage",
        };
        [reference.clone(), alarm.to_owned(), stage.clone(), department.clone(), since]
    });
    let listed = table(["case", "alarm", "stage", "department", "since"], without_owner.chain(without_clock));
    let table = match alone.len() + unwatched.len() {
        0 => "every open case has an owner and a clock\n".to_owned(),
        _ => listed,
    };
    let alone = alone.iter().map(|case| json::of(case, "masar.cases.v1.Case")).collect::<Result<Vec<_>>>()?;
    let unwatched = unwatched.iter().map(|case| json::of(case, "masar.sla.v1.CaseWithoutClock"));
    let unwatched = unwatched.collect::<Result<Vec<_>>>()?;
    Ok(Answer { table, json: json!({"without_owner": alone, "without_clock": unwatched}) })
}
