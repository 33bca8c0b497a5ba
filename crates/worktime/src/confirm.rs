//! Tentative dates become announced ones: the moon was seen, or the authority has spoken (section 4.2).

use jiff::civil::Date;

use crate::{CalendarSpec, DateRange, Error, HolidayRule};

/// A tentative part of a calendar: when it is, and whether it is so no more.
struct Tentative<'a> {
    from: &'a mut Date,
    to: &'a mut Date,
    tentative: &'a mut bool,
}

impl CalendarSpec {
    /// The next version, in which what is tentative on a date is announced: on the dates that stand there, or on others.
    ///
    /// # Errors
    /// `NothingTentative` when nothing is; `SeveralTentative` when the dates of more than one part would be the announced ones;
    /// otherwise as [`CalendarSpec::check`] says.
    pub fn confirmed(&self, on: Date, announced: Option<DateRange>) -> Result<Self, Error> {
        let mut next = Self { version: self.version + 1, ..self.clone() };
        let holidays = next.holidays.iter_mut().filter_map(|holiday| {
            let HolidayRule::Dates(DateRange { from, to }) = &mut holiday.when else { return None };
            Some(Tentative { from, to, tentative: &mut holiday.tentative })
        });
        let overlays = next.overlays.iter_mut().map(|overlay| {
            let (from, to) = (&mut overlay.from, &mut overlay.to);
            Tentative { from, to, tentative: &mut overlay.tentative }
        });
        let holds = |part: &Tentative<'_>| *part.tentative && (*part.from..=*part.to).contains(&on);
        let found: Vec<_> = holidays.chain(overlays).filter(holds).collect();
        match (found.len(), announced) {
            (0, _) => return Err(Error::NothingTentative(on)),
            (2.., Some(_)) => return Err(Error::SeveralTentative(on)),
            _ => {}
        }
        for part in found {
            *part.tentative = false;
            if let Some(announced) = announced {
                (*part.from, *part.to) = (announced.from, announced.to);
            }
        }
        next.check()?;
        Ok(next)
    }
}
