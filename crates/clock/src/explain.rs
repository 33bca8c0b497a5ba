//! A ledger in plain sentences, in Arabic and English: what happened, why, and what it moved from when to when.

use jiff::Timestamp;
use jiff::civil::Weekday;
use jiff::tz::TimeZone;
use masar_domain::BiText;

use crate::clock::OPEN;
use crate::{BreachCause, Calendars, Clock, Entry, Error, Event, Mark, Phase};

/// Says a ledger in sentences, as things stand at `now`. `named` says reasons, such as states, as people call them.
///
/// # Errors
/// As for [`Clock::fold`].
pub fn explain(
    ledger: &[Entry],
    now: Timestamp,
    calendars: &(impl Calendars + ?Sized),
    named: &dyn Fn(&str) -> BiText,
) -> Result<Vec<BiText>, Error> {
    let [first, rest @ ..] = ledger else { return Err(Error::Start) };
    let mut clock = Clock::fold(std::slice::from_ref(first), calendars)?;
    let zone = calendars.pinned(&clock.calendar)?.time_zone().clone();
    let teller = Teller { zone, named };
    let mut sentences = vec![teller.start(first, clock.due_at(calendars)?)];
    for entry in rest {
        let after = clock.after(entry, calendars)?;
        let moved = teller.moved(clock.due_at(calendars)?, after.due_at(calendars)?);
        // What ends while it stands still was not resumed.
        if clock.phase() == Phase::Paused && !OPEN.contains(&after.phase()) {
            sentences.extend(teller.paused_until(&clock, entry.at, &moved));
        }
        sentences.extend(teller.entry(entry, &clock, &moved));
        clock = after;
    }
    if clock.phase() == Phase::Paused
        && let Some(pause) = clock.pauses().last()
    {
        let due_at = clock.due_if_resumed(now, calendars)?;
        sentences.push(teller.stands_still(pause.from, &pause.reason, due_at));
    }
    sentences.extend(clock.breach_by(now, calendars)?.map(|breach| teller.broken(breach.at, breach.cause)));
    if clock.verdict() == Some(crate::Verdict::Kept) {
        sentences.push(BiText::new("أُوفي بالوعد.", "The promise was kept."));
    }
    Ok(sentences)
}

struct Teller<'a> {
    zone: TimeZone,
    named: &'a dyn Fn(&str) -> BiText,
}

impl Teller<'_> {
    fn start(&self, entry: &Entry, due_at: Timestamp) -> BiText {
        let (at, due) = (self.moment(entry.at), self.moment(due_at));
        let Event::Started { target, calendar, policy, not_after } = &entry.event else {
            return BiText::default();
        };
        let (amount, name, version) = (target.in_words(), &calendar.name, calendar.version);
        let plan = not_after.map_or(BiText::default(), |day| {
            BiText::new(format!("، وفي موعد لا يتجاوز {day}"), format!(", and not after {day}"))
        });
        BiText::new(
            format!(
                "بدأت المهلة {}، ومدتها {}{} على التقويم {name} الإصدار {version}، كما تعد {policy}: تستحق {}.",
                at.ar, amount.ar, plan.ar, due.ar
            ),
            format!(
                "It began on {} and may take {}{} on the calendar {name} version {version}, as {policy} promises: due on {}.",
                at.en, amount.en, plan.en, due.en
            ),
        )
    }

    /// The sentence of an entry; none of a pause that goes on and of what only tells people of a breach.
    fn entry(&self, entry: &Entry, before: &Clock, moved: &BiText) -> Option<BiText> {
        let at = self.moment(entry.at);
        let said = match &entry.event {
            Event::Started { .. } | Event::Paused { .. } => return None,
            Event::Resumed => return self.paused_until(before, entry.at, moved),
            Event::PauseEntered { from, to, reason, entered_by } => {
                let stood = self.stood_still(*from, *to, reason, moved);
                BiText::new(
                    format!("{} أدخل ذلك {entered_by} {}.", stood.ar, at.ar),
                    format!("{} {entered_by} entered this on {}.", stood.en, at.en),
                )
            }
            Event::Retargeted { target, cause, .. } => {
                let (amount, cause) = (target.in_words(), (self.named)(cause));
                BiText::new(
                    format!(
                        "صارت مدتها {} {} بسبب «{}»، وبقي ما مضى منها وما توقفته: {}.",
                        amount.ar, at.ar, cause.ar, moved.ar
                    ),
                    format!(
                        "On {} it was given {} because of “{}”, and what was used and paused was kept: {}.",
                        at.en, amount.en, cause.en, moved.en
                    ),
                )
            }
            Event::Extended { by, reason, granted_by } => {
                let (by, reason) = (by.in_words(), (self.named)(reason));
                BiText::new(
                    format!(
                        "مددها {granted_by} {} بمقدار {} بسبب «{}»: {}.",
                        at.ar, by.ar, reason.ar, moved.ar
                    ),
                    format!(
                        "On {} {granted_by} granted {} more because of “{}”: {}.",
                        at.en, by.en, reason.en, moved.en
                    ),
                )
            }
            Event::CalendarChanged { calendar } => BiText::new(
                format!(
                    "سرى {} الإصدار {} من التقويم {}: {}.",
                    at.ar, calendar.version, calendar.name, moved.ar
                ),
                format!(
                    "On {} version {} of the calendar {} came into force: {}.",
                    at.en, calendar.version, calendar.name, moved.en
                ),
            ),
            Event::MarkFired { mark: Mark::Share(percent) } => BiText::new(
                format!("أُنذر المعنيون {} بمضي {percent}% من المدة.", at.ar),
                format!("On {} those concerned were warned that {percent}% of the time had passed.", at.en),
            ),
            Event::MarkFired { .. } => return None,
            Event::Stopped { reason } => {
                let why = reason.as_deref().map(|reason| format!(" ({reason})")).unwrap_or_default();
                BiText::new(
                    format!("أُنجز المطلوب {}{why}.", at.ar),
                    format!("On {} it was done{why}.", at.en),
                )
            }
            Event::Cancelled { reason } => BiText::new(
                format!("أُلغيت {} بسبب «{reason}».", at.ar),
                format!("On {} it was cancelled because of “{reason}”.", at.en),
            ),
        };
        Some(said)
    }

    fn paused_until(&self, clock: &Clock, to: Timestamp, moved: &BiText) -> Option<BiText> {
        let pause = clock.pauses().last()?;
        Some(self.stood_still(pause.from, to, &pause.reason, moved))
    }

    fn stood_still(&self, from: Timestamp, to: Timestamp, reason: &str, moved: &BiText) -> BiText {
        let (from, to, reason) = (self.moment(from), self.moment(to), (self.named)(reason));
        BiText::new(
            format!("توقفت من {} إلى {} بسبب «{}»: {}.", from.ar, to.ar, reason.ar, moved.ar),
            format!("It stood still from {} to {} because of “{}”: {}.", from.en, to.en, reason.en, moved.en),
        )
    }

    fn stands_still(&self, from: Timestamp, reason: &str, due_at: Timestamp) -> BiText {
        let (from, due, reason) = (self.moment(from), self.moment(due_at), (self.named)(reason));
        BiText::new(
            format!("هي متوقفة منذ {} بسبب «{}»؛ لو استؤنفت الآن لاستحقت {}.", from.ar, reason.ar, due.ar),
            format!(
                "It has stood still since {} because of “{}”; resumed now it would be due on {}.",
                from.en, reason.en, due.en
            ),
        )
    }

    fn broken(&self, at: Timestamp, cause: BreachCause) -> BiText {
        let at = self.moment(at);
        let cause = match cause {
            BreachCause::Due => BiText::new("انقضى موعدها", "the due time went by"),
            BreachCause::Retarget => {
                BiText::new("كان الموعد الجديد قد مضى حين تقرر", "the new target was past when it was set")
            }
            BreachCause::Calendar => BiText::new(
                "جعل تقويم جديد الموعد في الماضي",
                "a new calendar put the due time into the past",
            ),
        };
        BiText::new(
            format!("أُخلف الوعد {}: {}.", at.ar, cause.ar),
            format!("The promise is broken since {}: {}.", at.en, cause.en),
        )
    }

    /// What became of the due time.
    fn moved(&self, was: Timestamp, is: Timestamp) -> BiText {
        let [was_due, due] = [was, is].map(|at| self.moment(at));
        if was == is {
            return BiText::new(
                format!("بقي موعدها {}", due.ar),
                format!("the due time stayed on {}", due.en),
            );
        }
        BiText::new(
            format!("انتقل موعدها من {} إلى {}", was_due.ar, due.ar),
            format!("the due time moved from {} to {}", was_due.en, due.en),
        )
    }

    /// A time as those read it for whom the calendar is made.
    fn moment(&self, at: Timestamp) -> BiText {
        let local = self.zone.to_datetime(at);
        let (ar, en) = match local.weekday() {
            Weekday::Sunday => ("الأحد", "Sunday"),
            Weekday::Monday => ("الاثنين", "Monday"),
            Weekday::Tuesday => ("الثلاثاء", "Tuesday"),
            Weekday::Wednesday => ("الأربعاء", "Wednesday"),
            Weekday::Thursday => ("الخميس", "Thursday"),
            Weekday::Friday => ("الجمعة", "Friday"),
            Weekday::Saturday => ("السبت", "Saturday"),
        };
        let time = local.strftime("%Y-%m-%d %H:%M");
        BiText::new(format!("{ar} {time}"), format!("{en} {time}"))
    }
}
