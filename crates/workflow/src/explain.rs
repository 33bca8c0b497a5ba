//! A package in plain sentences, in Arabic or English: who may do what, under which condition, in which time, and who is
//! told when it is late.

use std::collections::{BTreeMap, BTreeSet};

use masar_clock::Mark;
use masar_domain::{Language, Role};

use crate::table::TABLE;
use crate::{
    Again, Between, CUSTOMER, ClockKind, ClockRule, Concealed, Definition, Level, Missed, Moments, Per,
    Proposal, Quota, QuotaRule, RecurrenceRule, Schedule, Task, Transition, acts,
};

/// Says a machine in sentences.
#[must_use]
pub fn explain(definition: &Definition, language: Language) -> String {
    let teller = Teller { definition, language };
    let mut parts = vec![teller.beginning()];
    parts.extend(definition.states.keys().map(|state| teller.state(state)));
    parts.push(teller.say("المهل", "Clocks").to_owned());
    parts.extend(definition.clocks.iter().map(|(code, rule)| teller.clock(code, rule)));
    parts.extend(definition.quotas.values().map(|quota| teller.quota(quota)));
    if !definition.recurrence.is_empty() {
        parts.push(teller.say("التكرار", "Recurrence").to_owned());
        parts.extend(definition.recurrence.values().map(|rule| teller.recurrence(rule)));
    }
    if !definition.schedules.is_empty() {
        parts.push(teller.say("حالات تبدأ من تلقائها", "Cases that begin by themselves").to_owned());
        parts.extend(definition.schedules.values().map(|rule| teller.schedule(rule)));
    }
    parts.push(teller.routing());
    parts.join("\n")
}

struct Teller<'a> {
    definition: &'a Definition,
    language: Language,
}

impl Teller<'_> {
    fn say<'t>(&self, arabic: &'t str, english: &'t str) -> &'t str {
        match self.language {
            Language::Ar => arabic,
            Language::En => english,
        }
    }

    fn list(&self, words: impl Iterator<Item = String>) -> String {
        words.collect::<Vec<_>>().join(self.say("، ", ", "))
    }

    fn name_of_state(&self, code: &str) -> String {
        let label = self.definition.states.get(code).map(|state| state.label.in_language(self.language));
        self.quoted(label.unwrap_or(code))
    }

    fn name_of_action(&self, code: &str) -> String {
        let found = self.definition.transitions.iter().find(|transition| transition.action == code);
        let opened = self.say("الفتح", "opening");
        self.quoted(found.map_or(opened, |transition| transition.label.in_language(self.language)))
    }

    fn quoted(&self, text: &str) -> String {
        format!("{}{text}{}", self.say("«", "“"), self.say("»", "”"))
    }

    fn role(&self, code: &str) -> String {
        match code {
            "handler" => self.say("من يتولى الحالة", "whoever handles the case").to_owned(),
            "actor" => self.say("من قام بالإجراء", "whoever did it").to_owned(),
            code => Role(code.to_owned()).label(self.language).to_owned(),
        }
    }

    fn roles(&self, roles: &BTreeSet<Role>) -> String {
        self.list(roles.iter().map(|role| self.role(&role.0)))
    }

    fn beginning(&self) -> String {
        let definition = self.definition;
        let mut text = format!(
            "{} ({} {})\n{}: {}.\n{} {}.\n",
            definition.label.in_language(self.language),
            definition.package,
            definition.version,
            self.say("يفتح الحالة", "A case is opened by"),
            self.roles(&definition.opened_by),
            self.say("تبدأ الحالة في", "It begins in"),
            self.name_of_state(definition.initial().unwrap_or_default()),
        );
        for begin in &definition.begin {
            let (state, when) = (self.name_of_state(&begin.state), &begin.when);
            text += &format!(
                "{} {state}: {when}.\n",
                self.say("أو تبدأ، إن تحقق الشرط، في", "Or, if this holds, in")
            );
        }
        text
    }

    fn state(&self, code: &str) -> String {
        let mut text = format!("{} {}:\n", self.say("في", "In"), self.name_of_state(code));
        let ways = self.definition.transitions.iter().filter(|transition| transition.from.contains(code));
        let lines: String = ways.map(|transition| self.transition(code, transition)).collect();
        match lines.is_empty() {
            true => text += &format!("  - {}.\n", self.say("انتهت الحالة", "The case is over")),
            false => text += &lines,
        }
        text
    }

    fn transition(&self, from: &str, transition: &Transition) -> String {
        let mut text = format!(
            "  - {} {} {}",
            self.roles(&transition.roles),
            self.say("يجوز له", "may do"),
            self.quoted(transition.label.in_language(self.language)),
        );
        if transition.to != from {
            text += &format!(
                "{} {}",
                self.say("، فتصير في", ", which leads to"),
                self.name_of_state(&transition.to)
            );
        }
        let asked = [
            (transition.form.is_some(), "باستمارة", "with a form"),
            (transition.reason, "مع ذكر السبب", "with a reason"),
        ];
        for (_, arabic, english) in asked.into_iter().filter(|(asked, ..)| *asked) {
            text += &format!("{}{}", self.say("، ", ", "), self.say(arabic, english));
        }
        if let Some(clock) = &transition.within {
            text += &format!(
                "{} {}",
                self.say("، ما لم تنته مهلة", ", as long as this has not run out:"),
                self.name_of_clock(clock)
            );
        }
        if !transition.not_by.is_empty() {
            let steps = self.list(transition.not_by.iter().map(|step| self.name_of_action(step)));
            text += &format!(
                "{} {steps}",
                self.say("، على ألا يكون هو من قام بـ", ", unless the same person did")
            );
        }
        if let Some(quota) = transition.quotas.as_ref().and_then(|quota| self.definition.quotas.get(quota)) {
            let label = self.quoted(quota.label.in_language(self.language));
            text += &format!(
                "{} {label}",
                self.say("، إن تحققت الحصص الملزمة في", ", if the hard quotas are met of")
            );
        }
        text += ".\n";
        if let (Some(guard), Some(otherwise)) = (&transition.guard, &transition.otherwise) {
            let otherwise = self.quoted(otherwise.in_language(self.language));
            text += &format!(
                "    {} {guard}. {} {otherwise}.\n",
                self.say("الشرط:", "Only if:"),
                self.say("وإلا:", "Otherwise:")
            );
        }
        text + &self.tasks(&transition.effects)
    }

    fn tasks(&self, tasks: &[Task]) -> String {
        let mut text = String::new();
        for task in tasks {
            let said = match task {
                Task::Notify { template, to } => {
                    let to = self.list(to.iter().map(|role| self.role(role)));
                    format!("{} {to}: {template}", self.say("يبلغ", "This is told to"))
                }
                Task::Child { package, each, entity, inward, for_customer, concealed, .. } => {
                    let many = self.say("تفتح حالة لكل سطر من", "A case is opened for each row, of");
                    let one = self.say("تفتح حالة من", "A case is opened, of");
                    let mut opened = format!("{} {package}", if each.is_some() { many } else { one });
                    if let Some(entity) = entity {
                        opened += &format!("{} {entity}", self.say("، لدى الجهة", ", in the entity"));
                    }
                    if *inward {
                        opened += self.say(
                            "، وترد على هذه الحالة لا على المتعامل",
                            ", which answers to this case and not to the customer",
                        );
                    }
                    if *for_customer {
                        opened += self.say("، وهي للمتعامل", ", which is the customer's own");
                    }
                    opened + &concealed.as_ref().map(|rule| self.concealed(rule)).unwrap_or_default()
                }
                Task::AskSurvey { package, .. } => {
                    let asked = self.say(
                        "يُسأل المتعامل، إن كان معروفا، بحالة من",
                        "The customer, where it is known who that is, is asked by a case of",
                    );
                    format!("{asked} {package}")
                }
                Task::Link { link, to } => {
                    let linked = self.say("تُربط الحالة بما يذكره", "The case is linked to what is named in");
                    format!("{linked} {to} ({link})")
                }
                Task::Agree { .. } => self
                    .say(
                        "تسري الاتفاقية التي تقولها الحالة",
                        "The agreement that the case states comes into force",
                    )
                    .to_owned(),
                Task::EndAgreement => {
                    self.say("تنتهي اتفاقية الحالة", "The agreement of the case ends").to_owned()
                }
                Task::Route | Task::CloseTask | Task::AssignActor => continue,
            };
            text += &format!("    {said}.\n");
        }
        text
    }

    fn concealed(&self, rule: &Concealed) -> String {
        let roles = self.roles(&rule.revealed_to);
        let states = self.list(rule.revealed_in.iter().map(|state| self.name_of_state(state)));
        match self.language {
            Language::Ar => format!("، ولا يُعرف أنها من هذه الحالة إلا لمن قدمها، ولـ{roles} في {states}"),
            Language::En => {
                format!(", and nobody knows whose it is but whoever lodged it, and {roles} in {states}")
            }
        }
    }

    fn name_of_clock(&self, code: &str) -> String {
        let label = self.definition.clocks.get(code).map(|rule| rule.label.in_language(self.language));
        self.quoted(label.unwrap_or(code))
    }

    fn clock(&self, code: &str, rule: &ClockRule) -> String {
        let whose = match rule.kind {
            ClockKind::Sla => self.say("وعد للمتعامل", "a promise to the customer"),
            ClockKind::Ola => self.say("وعد بين الإدارات", "a promise between departments"),
            ClockKind::Uc => self.say("وعد من مزود", "a promise of a provider"),
            ClockKind::Internal => self.say("مهلة داخلية", "internal"),
            ClockKind::Window => self.say("مدة متاحة", "a time in which something may be done"),
        };
        let targets = self.list(rule.target.iter().map(|(word, target)| format!("{word}: {target}")));
        let mut text = format!("  - {} ({whose}): {targets}.", self.name_of_clock(code));
        if let Some(table) = &rule.target_from {
            let table = self.quoted(table.trim_start_matches(TABLE));
            text += &format!(
                " {} {table}.",
                self.say("ويسبقها جدول القرار", "Before these comes what the table says:")
            );
        }
        if let Some(Between { provider, consumer }) = &rule.between {
            text += &match self.language {
                Language::Ar => format!(" ولاتفاقية بين {provider} و{consumer} الأولوية."),
                Language::En => format!(" An agreement between {provider} and {consumer} comes first."),
            };
        }
        for (moments, arabic, english) in
            [(&rule.start, "تبدأ عند", "Starts with"), (&rule.stop, "وتنتهي عند", "Ends with")]
        {
            text += &format!(" {} {}.", self.say(arabic, english), self.moments(moments));
        }
        if !rule.pause.is_empty() {
            let states = self.list(rule.pause.iter().map(|state| self.name_of_state(state)));
            text += &format!(" {} {states}.", self.say("تتوقف في", "Stands still in"));
        }
        if let Some(extension) = &rule.extend {
            text += &format!(
                " {} {}",
                self.say("تمدد بـ", "Extended by"),
                self.name_of_action(&extension.action)
            );
            if extension.told.is_some() {
                text += self
                    .say("، متى أبلغ المتعامل قبل موعدها", ", once the customer was told before it is due");
            }
            text.push('.');
        }
        if let Some(action) = &rule.on_breach {
            let action = self.name_of_action(action);
            text += &format!(
                " {} {action}.",
                self.say("وعند انتهائها يقوم النظام بـ", "When it runs out the system does")
            );
        }
        text.push('\n');
        let levels = self.definition.ladders.get(code).into_iter().flat_map(|ladder| &ladder.levels);
        text + &levels.map(|level| self.level(level)).collect::<String>()
    }

    fn moments(&self, moments: &Moments) -> String {
        let actions = moments.actions.iter().map(|action| self.name_of_action(action));
        let states = moments.states.iter().map(|state| self.name_of_state(state));
        self.list(actions.chain(states).chain(moments.messages.iter().cloned()))
    }

    fn level(&self, level: &Level) -> String {
        let when = self.list(at(&level.at).into_iter());
        let people = self.list(level.to.iter().map(|role| self.role(role)));
        let verb = match level.to.iter().any(|role| role == CUSTOMER) {
            true => self.say("يذكر", "reminds"),
            false => self.say("يبلغ", "tells"),
        };
        let mut text = format!("      {} ({when}) {verb} {people}.", level.level);
        if let Some(Again { every, times }) = level.again {
            text += &match self.language {
                Language::Ar => format!(" وما لم يُعلم أحد باستلامه يتكرر كل {every}، {times} مرات على الأكثر."),
                Language::En => {
                    format!(" Until somebody takes notice, again every {every}, at most {times} times.")
                }
            };
        }
        for action in acts(&level.actions) {
            let action = self.name_of_action(action);
            text += &format!(" {} {action}.", self.say("ويقوم النظام بـ", "The system does"));
        }
        text + "\n"
    }

    fn quota(&self, quota: &Quota) -> String {
        let states = quota.states.iter().cloned();
        let mut text = format!(
            "{} {}: {} ({})\n",
            self.say("حصص", "Quotas of"),
            self.quoted(quota.label.in_language(self.language)),
            quota.package,
            self.list(states),
        );
        for rule in &quota.rules {
            text += &format!("  - {}\n", self.quota_rule(quota, rule));
        }
        if let Some(rows) = &quota.rows {
            text += &format!("  - {} {rows}\n", self.say("وما تحدده الاستمارة في", "And what a form says in"));
        }
        text
    }

    fn quota_rule(&self, quota: &Quota, rule: &QuotaRule) -> String {
        let dimension = quota.dimensions.get(&rule.dimension);
        let label = dimension.map(|dimension| dimension.label.in_language(self.language));
        let value = dimension.and_then(|dimension| dimension.values.get(&rule.value));
        let value = value.map_or(rule.value.as_str(), |value| value.in_language(self.language));
        let asked = [
            (rule.share_min.map(|share| format!("{share}%")), "لا تقل عن", "no less than"),
            (rule.share_target.map(|share| format!("{share}%")), "المستهدف", "wanted"),
            (rule.at_least.map(|count| count.to_string()), "العدد الأدنى", "at least so many"),
        ];
        let asked = asked
            .into_iter()
            .filter_map(|(said, arabic, english)| Some(format!("{} {}", self.say(arabic, english), said?)));
        let asked = self.list(asked);
        let hard = if rule.hard { self.say(" (ملزمة)", " (hard)") } else { "" };
        let named = self.list([label.unwrap_or(&rule.dimension), value].map(str::to_owned).into_iter());
        format!("{named}: {asked}{hard}")
    }

    fn recurrence(&self, rule: &RecurrenceRule) -> String {
        let label = self.quoted(rule.label.in_language(self.language));
        let (same, within) = (self.list(rule.same.iter().cloned()), rule.within.in_words());
        let mut text = match self.language {
            Language::Ar => format!("  - {label}: تعد الحالات التي تتطابق في {same} خلال {}.", within.ar),
            Language::En => {
                format!("  - {label}: cases with the same {same} within {} are counted.", within.en)
            }
        };
        if let (Some(threshold), Some(Proposal { package, .. })) = (rule.threshold, &rule.proposes) {
            text += &match self.language {
                Language::Ar => format!(" ومن الحالة رقم {threshold} تقترح حالة من {package}."),
                Language::En => format!(" From the {threshold}th on a case is proposed, of {package}."),
            };
        }
        text + "\n"
    }

    fn schedule(&self, rule: &Schedule) -> String {
        let label = self.quoted(rule.label.in_language(self.language));
        let opened = self.definition.opened_by_schedule(rule);
        let mut text = format!("  - {label}: {} {opened}", self.say("تفتح حالة من", "a case is opened, of"));
        if let Some(on) = rule.every {
            text += &format!("{}{}", self.say("، ", ", "), on.in_words().in_language(self.language));
            text += match rule.per {
                Per::Entity => "",
                Per::Department => self.say("، لكل إدارة", ", for each department"),
                Per::Service => self.say("، لكل خدمة", ", for each service"),
                Per::Centre => self.say("، لكل مركز", ", for each service centre"),
            };
            text += self.say("، لدى الجهات التي طلبت ذلك", ", where the entity has asked for it");
        }
        if let (Some(after), Some(wait)) = (&rule.after, rule.wait) {
            let (wait, moments) = (wait.in_words(), self.moments(after));
            text += &match self.language {
                Language::Ar => format!("، بعد {} من {moments}", wait.ar),
                Language::En => format!(", {} after {moments}", wait.en),
            };
            if rule.repeats {
                let stop = self.moments(&rule.stop);
                text +=
                    &format!("{} {stop}", self.say("، ثم مرة بعد أخرى حتى", ", and again and again until"));
            }
        }
        let missed = match rule.missed {
            Missed::Last => {
                self.say("مما فات تفتح الأخيرة وحدها", "Of those that were missed the last is opened")
            }
            Missed::Each => self.say("وكل ما فات يفتح", "Each that was missed is opened"),
        };
        text + &format!(". {missed}.\n")
    }

    fn routing(&self) -> String {
        let mut text = format!("{}\n", self.say("التوجيه", "Desks"));
        for rule in &self.definition.routing.rules {
            text += &format!("  - {} {}: {}\n", self.say("إن تحقق", "If"), rule.when, rule.queue);
        }
        text + &format!("  - {} {}\n", self.say("وإلا:", "Otherwise:"), self.definition.routing.otherwise)
    }
}

/// When a level fires: `breach`, or by importance where that makes a difference.
fn at(marks: &BTreeMap<String, Mark>) -> Vec<String> {
    let word = |(importance, mark): (&String, &Mark)| match importance.as_str() {
        "all" => mark.to_string(),
        importance => format!("{importance}: {mark}"),
    };
    marks.iter().map(word).collect()
}
