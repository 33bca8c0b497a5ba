//! How a case walks: what it does where it comes to, what is chosen there, and how long it waits.

use super::*;

impl World<'_> {
    /// The case has come to its place: its clocks, its queue and what is next.
    pub(super) fn entered(&mut self, case: usize, deeds: &Deeds, moved: bool) -> Result<(), Error> {
        let calendar = self.simulation.calendar;
        let Some(life) = self.cases[case].as_deref_mut() else { return Ok(()) };
        let (place, mut ended) = (Rc::clone(&life.place), Vec::new());
        for effect in &deeds.clocks {
            let applied = life.clocks.apply(effect, self.now, calendar, &mut ended);
            ignore_the_horizon(applied);
        }
        for template in &deeds.messages {
            ignore_the_horizon(life.clocks.told(template, self.now, calendar, &mut ended));
        }
        if let Some(queue) = &deeds.queue {
            life.queue.clone_from(queue);
        }
        life.closed_at = (place.case.category == StateCategory::Closed).then_some(self.now);
        let counted = life.counted;
        if counted {
            count(&mut self.sample, ended);
            for package in &deeds.children {
                *self.sample.children.entry(package.clone()).or_default() += 1;
            }
            if moved {
                self.sample.stages.entry(place.case.state.clone()).or_default().visits += 1;
            }
        }
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
    fn choose(&mut self, case: usize) -> Result<(), Error> {
        let Some(life) = self.cases[case].as_deref_mut() else { return Ok(()) };
        life.turn += 1;
        life.choice = None;
        let (turn, place, counted) = (life.turn, Rc::clone(&life.place), life.counted);
        if turn > TURNS {
            let reason = format!("it goes round: {TURNS} things were done to it");
            return self.leave(case, Some(reason));
        }
        let over = over(self.now, life.clocks.windows());
        let mut open: Vec<(usize, &Choice)> = self.paths.choices(&place.case.state).collect();
        while !open.is_empty() {
            let at = chosen(&mut self.rng, open.iter().map(|(_, choice)| choice.share));
            let (number, choice) = open.swap_remove(at);
            let Some(action) = &choice.does else { break };
            let Some(life) = self.cases[case].as_deref_mut() else { return Ok(()) };
            let step = Step::Choice(number, over.clone());
            match self.paths.follow(&place, step, self.now, life.clocks.windows()) {
                Ok(_) => {
                    life.choice = Some(number);
                    return self.begin(Ticket { case, turn }, choice);
                }
                Err(refusal) if counted => {
                    let why = (place.case.state.clone(), action.clone(), refusal.to_string());
                    *self.sample.refused.entry(why).or_default() += 1;
                }
                Err(_) => {}
            }
        }
        self.rest(case)
    }

    /// Nobody does anything: a clock will, or the case is over, or it is stuck.
    fn rest(&mut self, case: usize) -> Result<(), Error> {
        let Some(life) = self.cases[case].as_deref() else { return Ok(()) };
        let acts = matches!(life.clocks.next(self.simulation.calendar), Ok(Some(_)));
        let closed = life.closed_at.is_some();
        match (acts, closed) {
            (true, _) => {
                self.waits(case, Waits::Outside);
                Ok(())
            }
            (false, true) => self.leave(case, None),
            (false, false) => {
                let reason =
                    "nobody moves it: the plan has no choice here that is allowed, and no clock acts";
                self.leave(case, Some(reason.to_owned()))
            }
        }
    }

    /// The case is over, or goes no further.
    fn leave(&mut self, case: usize, stuck: Option<String>) -> Result<(), Error> {
        self.waits(case, Waits::Outside);
        let Some(mut life) = self.cases[case].take() else { return Ok(()) };
        let ended = life.clocks.close(self.now, self.simulation.calendar).unwrap_or_default();
        if !life.counted {
            return Ok(());
        }
        count(&mut self.sample, ended);
        if let Some(reason) = stuck {
            self.stuck(&life.place.case.state, reason, true);
        } else if let Some(closed_at) = life.closed_at {
            self.sample.closed += 1;
            self.sample.hours.push(closed_at.duration_since(life.arrived).as_secs_f64() / 3_600.0);
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
        let state = || life.place.case.state.clone();
        let queue = choice.queue.as_deref().unwrap_or(&life.queue);
        if queue.is_empty() {
            return Err(Error::NoQueue { state: state() });
        }
        let desk = self.names.get(queue).copied();
        let desk = desk.ok_or_else(|| Error::NoStaff { queue: queue.to_owned(), state: state() })?;
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
        match life.choice.map(|number| self.paths.choice(number)).filter(|choice| choice.takes.is_some()) {
            Some(choice) => self.enqueue(ticket, choice),
            None => self.take(ticket),
        }
    }

    /// What was chosen is done, unless the case has moved on meanwhile.
    pub(super) fn take(&mut self, ticket: Ticket) -> Result<(), Error> {
        let Some(life) = self.cases[ticket.case].as_deref_mut().filter(|life| life.turn == ticket.turn)
        else {
            return Ok(());
        };
        let Some(number) = life.choice else { return Ok(()) };
        let step = Step::Choice(number, over(self.now, life.clocks.windows()));
        self.go(ticket.case, step).map(drop)
    }

    /// A time of the case is over: the system does what the package says, if the clock still runs.
    pub(super) fn due(&mut self, case: usize, at: Timestamp) -> Result<(), Error> {
        let calendar = self.simulation.calendar;
        let Some(life) = self.cases[case].as_deref_mut() else { return Ok(()) };
        if life.clocks.next(calendar).ok().flatten() != Some(at) {
            return Ok(());
        }
        let mut ended = Vec::new();
        let action = life.clocks.fire(self.now, calendar, &mut ended).unwrap_or_default();
        if life.counted {
            count(&mut self.sample, ended);
        }
        let Some(life) = self.cases[case].as_deref() else { return Ok(()) };
        let over = over(self.now, life.clocks.windows());
        let moved = match action {
            Some(action) => self.go(case, Step::System(action, over))?,
            None => false,
        };
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
    fn go(&mut self, case: usize, step: Step) -> Result<bool, Error> {
        let Some(life) = self.cases[case].as_deref_mut() else { return Ok(false) };
        let chosen = matches!(step, Step::Choice(..));
        match self.paths.follow(&life.place, step, self.now, life.clocks.windows()) {
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
            let stage: &mut Stage = match self.sample.stages.get_mut(&life.place.case.state) {
                Some(stage) => stage,
                None => self.sample.stages.entry(life.place.case.state.clone()).or_default(),
            };
            let seconds = self.now.duration_since(life.since).as_secs_f64();
            match life.waits {
                Waits::Outside => stage.outside += seconds,
                Waits::Queued(_) => stage.queued += seconds,
                Waits::Worked => stage.worked += seconds,
            }
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

/// A due time beyond the calendar is not guessed: the clock stays as it was.
fn ignore_the_horizon(applied: Result<(), masar_clock::Error>) {
    debug_assert!(
        matches!(applied, Ok(()) | Err(masar_clock::Error::Calendar(_))),
        "a package that was checked asks of its clocks only what can happen to them: {applied:?}"
    );
}
