//! What is typed into the one search box: an NHS number, or a name with a date of birth or a postcode.
//! NHS context 8.2.

use carerecord_model::{NhsNumber, tidy_postcode};

use super::people::{PeopleFields, month};
use super::search::{self, Mistake};

/// What was meant.
pub(super) enum Typed {
    /// One person's number.
    Number(NhsNumber),
    /// What is known of a person; whether it is enough is for who looks for them to say.
    Person(Box<PeopleFields>),
}

/// Reads what was typed.
pub(super) fn read(typed: &str) -> Result<Typed, Mistake> {
    let number = match search::read(typed) {
        Ok(number) => return Ok(Typed::Number(number)),
        Err(mistake @ (Mistake::NationalInsurance | Mistake::Chi)) => return Err(mistake),
        Err(mistake @ (Mistake::Number(_) | Mistake::Words(_))) => mistake,
    };
    let parts = Parts::of(&tokens(typed));
    let stray: usize = parts.strays.iter().map(|text| digits(text)).sum();
    match (parts.strays.is_empty(), parts.names.is_empty()) {
        (true, _) if parts.dates.len() > 1 || parts.postcodes.len() > 1 => {
            Err(Mistake::Words("Enter one date of birth and one postcode at most"))
        }
        (true, true) if parts.dates.is_empty() && parts.postcodes.is_empty() => {
            Err(Mistake::Words(search::NOTHING))
        }
        (true, _) => Ok(Typed::Person(Box::new(parts.person()))),
        (false, true) => Err(number),
        (false, false) if stray >= NUMBER_LIKE => {
            Err(Mistake::Words("Enter either the NHS number alone, or a name without the number"))
        }
        (false, false) => Err(Mistake::Words(
            "Enter the whole date of birth, such as 15 3 1984, or a postcode, such as XX1 1XX",
        )),
    }
}

/// A part of what was typed, without signs around it.
#[derive(Clone, Copy)]
struct Token<'a> {
    text: &'a str,
    after_comma: bool,
}

fn tokens(typed: &str) -> Vec<Token<'_>> {
    let pieces = typed.split(',').enumerate().flat_map(|(n, piece)| {
        let words = piece.split_whitespace().map(|word| word.trim_matches(is_sign));
        let words = words.filter(|word| !word.is_empty()).enumerate();
        words.map(move |(at, text)| Token { text, after_comma: n > 0 && at == 0 })
    });
    pieces.collect()
}

/// What the parts are taken for.
#[derive(Default)]
struct Parts<'a> {
    names: Vec<Token<'a>>,
    /// Day, month and year.
    dates: Vec<[&'a str; 3]>,
    postcodes: Vec<String>,
    /// What has digits and is neither date nor postcode.
    strays: Vec<&'a str>,
}

impl<'a> Parts<'a> {
    fn of(tokens: &[Token<'a>]) -> Self {
        let mut parts = Self::default();
        let mut rest = tokens;
        while let [first, after @ ..] = rest {
            let taken = if let Some((date, taken)) = date(rest) {
                parts.dates.push(date);
                taken
            } else if let Some((postcode, taken)) = postcode(rest) {
                parts.postcodes.push(postcode);
                taken
            } else {
                if digits(first.text) > 0 {
                    parts.strays.push(first.text);
                } else {
                    parts.names.push(*first);
                }
                1
            };
            rest = after.get(taken - 1..).unwrap_or_default();
        }
        parts
    }

    fn person(&self) -> PeopleFields {
        let (family, given) = self.name();
        let [day, month, year] = self.dates.first().copied().unwrap_or_default();
        PeopleFields {
            family,
            given,
            day: day.to_owned(),
            month: month.to_owned(),
            year: year.to_owned(),
            postcode: self.postcodes.first().cloned().unwrap_or_default(),
            ..PeopleFields::default()
        }
        .bounded()
    }

    /// The family name and the first given name: as people say them, `Ada Okafor`, as lists have them,
    /// `Okafor, Ada`, or as banners do, `OKAFOR Ada`.
    fn name(&self) -> (String, String) {
        let is_title = |name: &Token<'_>| TITLES.contains(&name.text.to_lowercase().as_str());
        let names: Vec<Token<'_>> = self.names.iter().copied().filter(|n| !is_title(n)).collect();
        let comma = names.iter().skip(1).position(|name| name.after_comma).map(|at| at + 1);
        let large = names.iter().take_while(|name| is_large(name.text)).count();
        let large = (1..names.len()).contains(&large).then_some(large);
        let (family, given) = match comma.or(large) {
            Some(at) => names.split_at(at),
            None => {
                let (given, family) = names.split_at(family_begins(&names));
                (family, given)
            }
        };
        let family: Vec<&str> = family.iter().map(|name| name.text).collect();
        (family.join(" "), given.first().map(|name| name.text.to_owned()).unwrap_or_default())
    }
}

/// Where the family name begins that stands last: at its particles, `Ada van der Berg`.
fn family_begins(names: &[Token<'_>]) -> usize {
    let last = names.len().saturating_sub(1);
    let is_particle = |name: &&Token<'_>| PARTICLES.contains(&name.text.to_lowercase().as_str());
    last - names[..last].iter().rev().take_while(is_particle).count()
}

/// A date at the beginning, in one piece or in three, and how many it takes.
fn date<'a>(tokens: &[Token<'a>]) -> Option<([&'a str; 3], usize)> {
    let first = tokens.first()?.text;
    let pieces: Vec<&str> = first.split(['/', '.', '-']).collect();
    if let [a, b, c] = pieces[..] {
        if is_number(a, 4) && is_month(b) && is_day(c) {
            return Some(([day(c), b, a], 1));
        }
        return (is_day(a) && is_month(b) && is_year(c)).then(|| ([day(a), b, c], 1));
    }
    if is_number(first, 8) {
        let (day, rest) = first.split_at_checked(2)?;
        let (month, year) = rest.split_at_checked(2)?;
        let real = day <= "31" && month <= "12" && ("1850".."2100").contains(&year);
        return real.then_some(([day, month, year], 1));
    }
    let [a, b, c, ..] = tokens else { return None };
    (is_day(a.text) && is_month(b.text) && is_year(c.text))
        .then(|| ([day(a.text), b.text, c.text], 3))
}

/// A postcode at the beginning, or its first half, and how many it takes.
fn postcode(tokens: &[Token<'_>]) -> Option<(String, usize)> {
    let first = tokens.first()?.text;
    let second = tokens.get(1).filter(|second| is_inward(second.text));
    if is_outward(first) {
        let whole = second.map(|second| format!("{first}{}", second.text));
        return Some((
            tidy_postcode(whole.as_deref().unwrap_or(first))?,
            1 + usize::from(whole.is_some()),
        ));
    }
    let (outward, inward) = first.split_at_checked(first.len().checked_sub(3)?)?;
    (is_outward(outward) && is_inward(inward)).then_some((tidy_postcode(first)?, 1))
}

/// One letter or two, a digit, and perhaps one more of either.
fn is_outward(text: &str) -> bool {
    let letters = text.bytes().take_while(u8::is_ascii_alphabetic).count();
    let Some([digit, more @ ..]) = text.as_bytes().get(letters..) else { return false };
    (1..=2).contains(&letters)
        && digit.is_ascii_digit()
        && more.len() <= 1
        && more.iter().all(u8::is_ascii_alphanumeric)
}

/// A digit and two letters.
fn is_inward(text: &str) -> bool {
    let [digit, letters @ ..] = text.as_bytes() else { return false };
    digit.is_ascii_digit() && letters.len() == 2 && letters.iter().all(u8::is_ascii_alphabetic)
}

/// Without the letters of `15th`.
fn day(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text.split_at(end).0
}

fn is_day(text: &str) -> bool {
    let day = day(text);
    let ending = text.strip_prefix(day).unwrap_or_default().to_lowercase();
    (1..=2).contains(&day.len()) && ["", "st", "nd", "rd", "th"].contains(&ending.as_str())
}

fn is_month(text: &str) -> bool {
    is_number(text, 1) || is_number(text, 2) || (digits(text) == 0 && month(text).is_some())
}

/// Of two digits it is a year, too, which who looks for people does not take.
fn is_year(text: &str) -> bool {
    is_number(text, 4) || is_number(text, 2)
}

fn is_number(text: &str, length: usize) -> bool {
    text.len() == length && digits(text) == length
}

fn digits(text: &str) -> usize {
    text.chars().filter(char::is_ascii_digit).count()
}

fn is_sign(c: char) -> bool {
    !c.is_alphanumeric()
}

fn is_large(text: &str) -> bool {
    let letters = text.chars().filter(|c| c.is_alphabetic());
    letters.clone().count() > 1 && letters.clone().all(char::is_uppercase)
}

/// With so many digits it was meant as an NHS number.
const NUMBER_LIKE: usize = 9;
const TITLES: [&str; 7] = ["mr", "mrs", "ms", "miss", "mx", "dr", "prof"];
const PARTICLES: [&str; 12] =
    ["van", "von", "der", "den", "de", "du", "la", "le", "mac", "mc", "o", "st"];

#[cfg(test)]
mod tests {
    use super::*;

    fn person(typed: &str) -> [String; 4] {
        match read(typed) {
            Ok(Typed::Person(found)) => {
                let born = [&found.year, &found.month, &found.day].map(String::as_str).join(" ");
                [found.family, found.given, born.trim().to_owned(), found.postcode]
            }
            Ok(Typed::Number(_)) => panic!("{typed:?} is taken for a number"),
            Err(mistake) => panic!("{typed:?}: {}", mistake.words(typed)),
        }
    }

    #[test]
    fn numbers_are_taken_as_people_paste_them() {
        for typed in ["9990001006", "999 000 1006", " 999-000-1006 ", "999\u{a0}000\u{a0}1006"] {
            assert!(matches!(read(typed), Ok(Typed::Number(n)) if n.digits() == "9990001006"));
        }
    }

    #[test]
    fn names_are_taken_as_people_write_them() {
        for (typed, family, given) in [
            ("Okafor", "Okafor", ""),
            ("Ada Okafor", "Okafor", "Ada"),
            ("Dr Ada Mary Okafor", "Okafor", "Ada"),
            ("Okafor, Ada", "Okafor", "Ada"),
            ("OKAFOR, Ada (Dr)", "OKAFOR", "Ada"),
            ("OKAFOR Ada", "OKAFOR", "Ada"),
            ("ADA OKAFOR", "OKAFOR", "ADA"),
            ("Ada van der Berg", "van der Berg", "Ada"),
            ("van der Berg", "van der Berg", ""),
            ("de Souza Lima, Ana", "de Souza Lima", "Ana"),
            ("Smith-O'Neill", "Smith-O'Neill", ""),
        ] {
            let [found, also, born, postcode] = person(&format!("{typed}, 14/7/1945"));
            assert_eq!([found.as_str(), &also, &born, &postcode], [family, given, "1945 7 14", ""]);
            let [found, also, ..] = person(&format!("14 July 1945 {typed}"));
            assert_eq!([found.as_str(), &also], [family, given], "{typed}");
        }
    }

    #[test]
    fn dates_are_taken_as_people_write_them() {
        for (typed, born) in [
            ("14/7/1945", "1945 7 14"),
            ("14/07/1945", "1945 07 14"),
            ("14.7.1945", "1945 7 14"),
            ("14-Jul-1945", "1945 Jul 14"),
            ("1945-07-14", "1945 07 14"),
            ("14071945", "1945 07 14"),
            ("14 7 1945", "1945 7 14"),
            ("14th July 1945", "1945 July 14"),
            ("14/7/45", "45 7 14"),
        ] {
            for typed in [format!("Okafor {typed}"), format!("{typed} Okafor")] {
                assert_eq!(person(&typed)[..3], ["Okafor", "", born], "{typed}");
            }
        }
        assert_eq!(person("May 14 May 1945")[..3], ["May", "", "1945 May 14"]);
        assert_eq!(person("14/7/1945")[0], "", "whether it is enough is asked elsewhere");
    }

    #[test]
    fn postcodes_are_taken_whole_and_by_their_first_half() {
        for (typed, postcode) in [
            ("XX1 1XX", "XX1 1XX"),
            ("xx11xx", "XX1 1XX"),
            ("XX1", "XX1"),
            ("N1C 4AG", "N1C 4AG"),
            ("xx12 3ab", "XX12 3AB"),
        ] {
            let typed = format!("Ada Okafor {typed} 14/7/1945");
            assert_eq!(person(&typed), ["Okafor", "Ada", "1945 7 14", postcode].map(str::to_owned));
        }
    }

    #[test]
    fn each_mistake_has_its_words() {
        let nothing = "Enter an NHS number, or a name with a date of birth or a postcode";
        let whole =
            "Enter the whole date of birth, such as 15 3 1984, or a postcode, such as XX1 1XX";
        let either = "Enter either the NHS number alone, or a name without the number";
        let most = "Enter one date of birth and one postcode at most";
        for (typed, words) in [
            ("", nothing),
            (" , - ", nothing),
            ("999 000", "An NHS number has 10 digits: you entered 6 digits"),
            ("999 000 100X", "An NHS number has only digits: take out letters and other signs"),
            ("9990001007", "Enter a real NHS number; check the digits"),
            ("QQ 12 34 56 C", "This looks like a National Insurance number: enter the NHS number"),
            ("0101010001", "This looks like a CHI number from Scotland: enter the NHS number"),
            ("Okafor 9990001006", either),
            ("Okafor 1945", whole),
            ("Okafor 14/7", whole),
            ("Okafor 1/1/1945 2/1/1945", most),
            ("Okafor XX1 YY2", most),
        ] {
            let mistake = read(typed).err().unwrap_or_else(|| panic!("{typed} is taken"));
            assert_eq!(mistake.words(typed), words, "{typed}");
        }
    }
}
