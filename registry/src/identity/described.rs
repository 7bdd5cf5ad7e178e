//! What a source tells of a person, of which each can be left out.

use carerecord_model::{Gender, Patient};
use jiff::civil::Date;

use crate::store::FeedError;

/// Demographics of which each can be left out.
#[derive(Clone, Default, PartialEq)]
pub(crate) struct Described {
    pub family_name: Option<String>,
    pub given_names: Vec<String>,
    pub prefix: Option<String>,
    pub birth_date: Option<Date>,
    pub death: Option<Death>,
    pub gender: Option<Gender>,
    pub postcode: Option<String>,
    pub restricted: Option<bool>,
}

/// What is told of a person's death.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Death {
    /// The person has died on this day.
    On(Date),
    /// The person has died; nothing is said of the day.
    Told,
    /// The person has died, and no day that was told before holds.
    DayUnknown,
    /// The person has not died, whatever was told before.
    Withdrawn,
}

/// One of the two things that messages say of a death.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Said<T> {
    /// Left out.
    Nothing,
    /// What was said before is taken back.
    Null,
    /// This.
    This(T),
}

impl Death {
    /// Out of the time of death, a date where it names a day, and of whether the person has died.
    ///
    /// # Errors
    /// When they contradict each other.
    pub(super) fn of(
        time: Said<Option<Date>>,
        has_died: Said<bool>,
    ) -> Result<Option<Self>, FeedError> {
        Ok(match (time, has_died) {
            (Said::This(_), Said::Null | Said::This(false)) => {
                return Err(FeedError::Wrong(
                    "a time of death is told of a person who has not died",
                ));
            }
            (Said::This(Some(date)), _) => Some(Self::On(date)),
            (Said::This(None), _) | (Said::Nothing, Said::This(true)) => Some(Self::Told),
            (Said::Null, Said::This(true)) => Some(Self::DayUnknown),
            (Said::Null, _) | (Said::Nothing, Said::Null | Said::This(false)) => {
                Some(Self::Withdrawn)
            }
            (Said::Nothing, Said::Nothing) => None,
        })
    }
}

impl std::fmt::Debug for Described {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Described(redacted)")
    }
}

impl Described {
    /// Renews what is known of a person.
    pub(crate) fn apply(&self, person: &mut Patient) {
        if self.family_name.is_some() {
            person.family_name.clone_from(&self.family_name);
            person.given_names.clone_from(&self.given_names);
            person.prefix.clone_from(&self.prefix);
        }
        person.birth_date = self.birth_date.or(person.birth_date);
        person.gender = self.gender.unwrap_or(person.gender);
        person.restricted = self.restricted.unwrap_or(person.restricted);
        if self.postcode.is_some() {
            person.postcode.clone_from(&self.postcode);
        }
        let Some(death) = self.death else { return };
        person.deceased = death != Death::Withdrawn;
        match death {
            Death::On(date) => person.death_date = Some(date),
            Death::Told => {}
            Death::DayUnknown | Death::Withdrawn => person.death_date = None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deaths_are_told_dated_and_taken_back() {
        let day: Date = "2026-10-21".parse().unwrap();
        let mut person = Patient::from_number("9990001006".parse().unwrap());
        for (time, has_died, expected) in [
            (Said::This(Some(day)), Said::Nothing, (true, Some(day))),
            (Said::Nothing, Said::Nothing, (true, Some(day))),
            (Said::Nothing, Said::This(true), (true, Some(day))),
            (Said::Null, Said::This(true), (true, None)),
            (Said::This(None), Said::This(true), (true, None)),
            (Said::Null, Said::Nothing, (false, None)),
            (Said::This(Some(day)), Said::This(true), (true, Some(day))),
            (Said::Nothing, Said::Null, (false, None)),
            (Said::This(Some(day)), Said::This(true), (true, Some(day))),
            (Said::Nothing, Said::This(false), (false, None)),
        ] {
            let death = Death::of(time, has_died).unwrap_or_else(|e| panic!("{e}"));
            Described { death, ..Described::default() }.apply(&mut person);
            assert_eq!((person.deceased, person.death_date), expected);
        }
        assert!(Death::of(Said::This(Some(day)), Said::This(false)).is_err());
        assert!(Death::of(Said::This(None), Said::Null).is_err());
    }
}
