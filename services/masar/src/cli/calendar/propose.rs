//! Proposals of the days that follow the moon, by the Umm al-Qura calendar. They are tentative: the announcement decides, and
//! an administrator puts it into the calendar.

use anyhow::{Context, Result};
use icu_calendar::Date as CivilDate;
use icu_calendar::cal::{Hijri, Iso};
use jiff::civil::Date;
use masar_domain::BiText;
use masar_worktime::{DateRange, Holiday, HolidayRule, Hours, Overlay};
use serde_json::json;

use crate::cli::Answer;

const RAMADAN: u8 = 9;
const SHAWWAL: u8 = 10;
const DHU_AL_HIJJA: u8 = 12;

/// The overlays and holidays of the years, in the form of a calendar file.
pub(super) fn propose(from_year: i16, years: u8, hours: &[Hours]) -> Result<Answer> {
    let last_year = from_year.saturating_add(i16::from(years)) - 1;
    let begins_within = |range: &DateRange| (from_year..=last_year).contains(&range.from.year());
    let (mut overlays, mut holidays) = (Vec::new(), Vec::new());
    for year in hijri_years(from_year, last_year) {
        let ramadan = span(year, (RAMADAN, 1), (RAMADAN, 27))?;
        if begins_within(&ramadan) {
            let label = BiText::new("دوام رمضان", "Ramadan hours");
            let (from, to) = (ramadan.from, ramadan.to);
            overlays.push(Overlay { label, from, to, hours: hours.to_vec(), tentative: true });
        }
        for (label, range) in [
            (BiText::new("عيد الفطر", "Eid al-Fitr"), span(year, (RAMADAN, 28), (SHAWWAL, 4))?),
            (BiText::new("عيد الأضحى", "Eid al-Adha"), span(year, (DHU_AL_HIJJA, 9), (DHU_AL_HIJJA, 13))?),
        ] {
            if begins_within(&range) {
                holidays.push(Holiday { label, when: HolidayRule::Dates(range), tentative: true });
            }
        }
    }
    let json = json!({"overlays": overlays, "holidays": holidays});
    Ok(Answer { table: serde_saphyr::to_string(&json)?, json })
}

/// The lunar years that have days in these years: a lunar year is some eleven days shorter, and its count began in 622.
fn hijri_years(from_year: i16, last_year: i16) -> std::ops::RangeInclusive<i32> {
    let lunar = |year: i16| (i32::from(year) - 622) * 33 / 32;
    lunar(from_year) - 1..=lunar(last_year) + 2
}

/// From a day of a lunar month to another, both included.
fn span(year: i32, from: (u8, u8), to: (u8, u8)) -> Result<DateRange> {
    Ok(DateRange { from: civil(year, from)?, to: civil(year, to)? })
}

fn civil(year: i32, (month, day): (u8, u8)) -> Result<Date> {
    let hijri = CivilDate::try_new_hijri_with_calendar(year, month, day, Hijri::new_umm_al_qura());
    let hijri = hijri.ok().with_context(|| format!("the lunar year {year} is out of reach"))?;
    let civil = hijri.to_calendar(Iso);
    let year = i16::try_from(civil.year().extended_year()).context("a year out of reach")?;
    Ok(Date::new(year, civil.month().ordinal.cast_signed(), civil.day_of_month().0.cast_signed())?)
}
