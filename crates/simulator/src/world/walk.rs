//! How a case walks: what it does where it comes to, what is chosen there, and how long it waits.

use super::*;

impl World<'_> {
    /// The case has come to its place: its clocks, its queue, its children, and what is next.
    pub(super) fn entered(&mut self, case: usize, deeds: &Deeds, moved: bool) -> Result<(), Error> {
        let calendar = self.simulation.calendar;
        let Some(life) = self.cases[case].as_deref_mut() else { return Ok(()) };
        let (place, mut ended) = (Rc::clone(&life.place), Vec::new());
        for asked in &deeds.clocks {
            ignore_the_horizon(life.clocks.apply(asked, self.now, calendar, &mut ended));
        }
        for template in &deeds.messages {
            ignore_the_horizon(life.clocks.told(template, self.now, calendar, &mut ended));
        }
        if let Some(queue) = &deeds.queue {
            life.queue.clone_from(queue);
        }
        life.closed_at = (place.case.category == StateCategory::Closed).then_some(self.now);
        if life.counted {
            let tally = &mut self.sample.tallies[life.kind];
            tally.count(ended);
            if moved {
                tally.stage(&place.case.state, |stage| stage.visits += 1);
            }
        }
        self.tell_above(case);
        self.ask_for(case, &deeds.children);
        self.watch(case)?;
        self.choose(case)
    }

    /// Plans when the system acts next because a time is over.
    fn watch(&mut self, case: usize) -> Result<(), Error> {
        let Some(life) = self.cases[case].as_deref() else { return Ok(()) };
        if let Ok(Some(at)) = life.clocks.next(self.simulation.calendar) {
            self.plan_at(at.max(self.now), Happening::Due(case, at));
        }
        Ok(())
    }

    /// Chooses what is done next: of the choices of the state those that the package allows now, by their shares.
    pub(super) fn choose(&mut self, case: usize) -> Result<(), Error> {
        let Some(life) = self.cases[case].as_deref_mut() else { return Ok(()) };
        life.turn += 1;
        life.choice = None;
        life.barred = false;
        let (turn, place, counted) = (life.turn, Rc::clone(&life.place), life.counted);
        if turn > TURNS {
            let reason = format!("it goes round: {TURNS} things were done to it");
            return self.leave(case, Some(reason));
        }
        let kind = self.family.kind(life.kind);
        let mut open: Vec<(usize, &Choice)> = kind.paths.choices(&place.case.state).collect();
        while !open.is_empty() {
            let at = chosen(&mut self.rng, open.iter().map(|(_, choice)| choice.share));
            let (number, choice) = open.swap_remove(at);
            let Some(action) = &choice.does else { break };
            let Some(life) = self.cases[case].as_deref_mut() else { return Ok(()) };
            let step = life.step(Deed::Choice(number), self.now);
            match kind.paths.follow(&place, step, self.now, life.clocks.windows()) {
                Ok(_) => {
                    life.choice = Some(number);
                    return self.begin(Ticket { case, turn }, choice);
                }
                // What children may be in the way of is no mistake of the plan.
                Err(_) if life.under_way > 0 => life.barred = true,
                Err(refusal) if counted => {
                    let why = (place.case.state.clone(), action.clone(), refusal.to_string());
                    *self.sample.tallies[life.kind].refused.entry(why).or_default() += 1;
                }
                Err(_) => {}
            }
        }
        self.rest(case)
    }

    /// Nobody does anything: a clock or a child will, or the case is over, or it is stuck.
    pub(super) fn rest(&mut self, case: usize) -> Result<(), Error> {
        let Some(life) = self.cases[case].as_deref() else { return Ok(()) };
        let acts = matches!(life.clocks.next(self.simulation.calendar), Ok(Some(_)));
        let waits = life.under_way > 0;
        let open = self.kind(life).hears && life.open_children() > 0;
        match (acts || waits, life.closed_at) {
            (true, _) => {
                self.waits(case, Waits::Outside);
                Ok(())
            }
            (false, Some(_)) => self.leave(case, None),
            (false, None) => {
                let reason = match open {
                    true => "nobody moves it: it has children that go no further",
                    false => {
                        "nobody moves it: the plan has no choice here that is allowed, and no clock acts"
                    }
                };
                self.leave(case, Some(reason.to_owned()))
            }
        }
    }

    /// The case is over, or goes no further.
    fn leave(&mut self, case: usize, stuck: Option<String>) -> Result<(), Error> {
        self.waits(case, Waits::Outside);
        if let Some(life) = self.cases[case].take() {
            if let Some(parent) = life.parent.as_ref().filter(|parent| parent.hears) {
                self.plan_at(self.now, Happening::Gone(parent.case));
            }
            self.finish(*life, stuck);
        }
        Ok(())
    }

    /// What was chosen begins: somebody outside is waited for, or the case goes to its queue.
    fn begin(&mut self, ticket: Ticket, choice: &Choice) -> Result<(), Error> {
        self.waits(ticket.case, Waits::Outside);
        match &choice.after {
            Some(after) => {
                let at = self.now.checked_add(span(after.draw(&mut self.rng))).unwrap_or(Timestamp::MAX);
                self.plan_at(at, Happening::Ready(ticket));
                Ok(())
            }
            None => self.enqueue(ticket, choice),
        }
    }

    fn enqueue(&mut self, ticket: Ticket, choice: &Choice) -> Result<(), Error> {
        let Some(life) = self.cases[ticket.case].as_deref() else { return Ok(()) };
        let whose = || (self.kind(life).package.definition().package.clone(), life.place.case.state.clone());
        let queue = choice.queue.as_deref().unwrap_or(&life.queue);
        if queue.is_empty() {
            let (package, state) = whose();
            return Err(Error::NoQueue { package, state });
        }
        let Some(desk) = self.names.get(queue).copied() else {
            let ((package, state), queue) = (whose(), queue.to_owned());
            return Err(Error::NoStaff { package, queue, state });
        };
        let importance = life.place.case.importance();
        self.desks[desk].look(self.now)?;
        self.order += 1;
        self.desks[desk].add(ticket, importance, self.order);
        self.waits(ticket.case, Waits::Queued(desk));
        self.work(desk)
    }

    /// Whoever was waited for is there.
    pub(super) fn ready(&mut self, ticket: Ticket) -> Result<(), Error> {
        let Some(life) = self.cases[ticket.case].as_deref().filter(|life| life.turn == ticket.turn) else {
            return Ok(());
        };
        let choice = life.choice.map(|number| self.kind(life).paths.choice(number));
        match choice.filter(|choice| choice.takes.is_some()) {
            Some(choice) => self.enqueue(ticket, choice),
            None => self.take(ticket),
        }
    }

    /// What was chosen is done, unless the case has moved on meanwhile.
    pub(super) fn take(&mut self, ticket: Ticket) -> Result<(), Error> {
        let Some(life) = self.cases[ticket.case].as_deref().filter(|life| life.turn == ticket.turn) else {
            return Ok(());
        };
        let Some(number) = life.choice else { return Ok(()) };
        self.go(ticket.case, Deed::Choice(number)).map(drop)
    }

    /// A time of the case is over: the system does what the package says, if the clock still runs.
    pub(super) fn due(&mut self, case: usize, at: Timestamp) -> Result<(), Error> {
        let calendar = self.simulation.calendar;
        let Some(life) = self.cases[case].as_deref_mut() else { return Ok(()) };
        if life.clocks.next(calendar).ok().flatten() != Some(at) {
            return Ok(());
        }
        let mut ended = Vec::new();
        let fired = life.clocks.fire(self.now, calendar, &mut ended).unwrap_or_default();
        if life.counted {
            self.sample.tallies[life.kind].count(ended);
        }
        let mut moved = false;
        for action in fired.acts(life.closed_at.is_some()) {
            moved |= self.go(case, Deed::System(action))?;
        }
        if !moved {
            self.watch(case)?;
            let idle = self.cases[case].as_deref().is_some_and(|life| life.choice.is_none());
            if idle {
                return self.rest(case);
            }
        }
        Ok(())
    }

    /// Goes a step. False when the package does not allow it any more; then something else is chosen, if it was a choice.
    pub(super) fn go(&mut self, case: usize, deed: Deed) -> Result<bool, Error> {
        let Some(life) = self.cases[case].as_deref() else { return Ok(false) };
        let chosen = matches!(deed, Deed::Choice(_));
        let step = life.step(deed, self.now);
        match self.kind(life).paths.follow(&life.place, step, self.now, life.clocks.windows()) {
            Ok(reached) => {
                self.waits(case, Waits::Outside);
                let Some(life) = self.cases[case].as_deref_mut() else { return Ok(false) };
                let moved = life.place.case.state != reached.to.case.state;
                life.place = Rc::clone(&reached.to);
                self.entered(case, &reached.deeds, moved)?;
                Ok(true)
            }
            Err(_) if chosen => {
                self.choose(case)?;
                Ok(false)
            }
            Err(_) => Ok(false),
        }
    }

    /// From now on the case waits for something else; what it waited for until now is added up.
    pub(super) fn waits(&mut self, case: usize, waits: Waits) {
        let Some(life) = self.cases[case].as_deref_mut() else { return };
        if life.counted {
            let seconds = self.now.duration_since(life.since).as_secs_f64();
            let waited = life.waits;
            self.sample.tallies[life.kind].stage(&life.place.case.state, |stage| match waited {
                Waits::Outside => stage.outside += seconds,
                Waits::Queued(_) => stage.queued += seconds,
                Waits::Worked => stage.worked += seconds,
            });
        }
        if let (Waits::Queued(desk), false) = (life.waits, waits == Waits::Worked) {
            // Beyond its calendar a desk is not open: nothing is added up.
            self.desks[desk].look(self.now).unwrap_or_default();
            self.desks[desk].leave();
        }
        life.waits = waits;
        life.since = self.now;
    }
}

impl Life {
    /// How many children are not closed, those that were asked for and not opened included.
    fn open_children(&self) -> usize {
        let closed = self.children.iter().filter(|child| child.category == StateCategory::Closed).count();
        let asked: u32 = self.place.case.asked.values().sum();
        usize::try_from(asked).unwrap_or(usize::MAX).saturating_sub(closed)
    }

    /// A step of the case, as it stands now.
    fn step(&self, deed: Deed, now: Timestamp) -> Step {
        Step { deed, over: over(now, self.clocks.windows()), children: Rc::clone(&self.children) }
    }
}

/// A due time beyond the calendar is not guessed: the clock stays as it was.
fn ignore_the_horizon(applied: Result<(), masar_clock::Error>) {
    debug_assert!(
        matches!(applied, Ok(()) | Err(masar_clock::Error::Calendar(_))),
        "a package that was checked asks of its clocks only what can happen to them: {applied:?}"
    );
}
