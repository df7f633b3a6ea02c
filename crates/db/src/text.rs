//! Words of Arabic and English names, made ready for an index that knows neither language.
//!
//! [`words`] normalises: compatibility forms, case, Arabic diacritics, tatweel, the forms of alef, ta marbuta, digits. Each
//! word is stored with its stems ([`tokens`]); a query word is found by any of its forms ([`Query`]). Broken plurals outside
//! the table of synonyms are not found.

use icu_normalizer::ComposingNormalizer;
use rust_stemmers::{Algorithm, Stemmer};

/// Words of a query that are used; the rest is ignored.
const QUERY_WORDS_MAX: usize = 16;
/// Letters that an Arabic word keeps when something is stripped.
const KEPT_MIN: usize = 3;
/// Letters of a text that lists are ordered by: an index takes no longer keys.
const SORT_MAX: usize = 128;
/// Letters of the unfinished last word of a query.
const PREFIX_MIN: usize = 2;

/// Words that say nothing, normalised.
const STOP: &[&str] = &["the", "a", "an", "of", "and", "in", "at", "on", "في", "من", "علي", "الي", "عن"];
/// Words of one meaning, normalised.
const SYNONYMS: &[&[&str]] = &[
    &["حادث", "حوادث"],
    &["شارع", "شوارع"],
    &["موقف", "مواقف"],
    &["مدخل", "مداخل"],
    &["حقيبه", "حقائب", "حقايب"],
    &["امراه", "المراه"],
    &["باص", "حافله", "bus"],
    &["مترو", "metro"],
];
const PREFIXES: &[&str] = &["وال", "ولل", "بال", "كال", "فال", "لل", "ال"];
const SUFFIXES: &[&str] = &["ها", "ان", "ات", "ون", "ين", "يه", "ه", "ي"];

/// The normalised words of a text, in their order.
#[must_use]
pub fn words(text: &str) -> Vec<String> {
    let folded: String = ComposingNormalizer::new_nfkc().normalize(text).chars().flat_map(char::to_lowercase).collect();
    // Lower case can bring a form that composes otherwise.
    let folded = ComposingNormalizer::new_nfkc().normalize(&folded).into_owned();
    let letters: String = folded.chars().filter_map(fold).collect();
    letters.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// The beginning of the normalised text with single spaces: what lists are ordered by.
#[must_use]
pub fn sort_key(text: &str) -> String {
    words(text).join(" ").chars().take(SORT_MAX).collect()
}

/// All forms of all words of some texts, separated by spaces: what the index keeps.
#[must_use]
pub fn tokens<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    let mut all: Vec<String> =
        texts.into_iter().flat_map(words).filter(|word| !is_stop(word)).flat_map(forms).collect();
    all.sort_unstable();
    all.dedup();
    all.join(" ")
}

/// What is asked of the index: every word must be found, each in any of its forms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    words: Vec<Vec<String>>,
    /// The last word as typed so far; a longer one that begins with it is found too.
    prefix: Option<String>,
}

impl Query {
    /// `None` when the text has no word that says something.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let words = words(text);
        let said: Vec<&String> = words.iter().filter(|word| !is_stop(word)).take(QUERY_WORDS_MAX).collect();
        let last = *said.last()?;
        let prefix = (last.chars().count() >= PREFIX_MIN).then(|| last.clone());
        let forms_of = |word: &&String| {
            let mut all = forms((*word).clone());
            let synonyms = SYNONYMS.iter().filter(|group| group.iter().any(|one| all.iter().any(|form| form == one)));
            all.extend(synonyms.flat_map(|group| group.iter().map(|&one| one.to_owned())).collect::<Vec<_>>());
            all.sort_unstable();
            all.dedup();
            all
        };
        Some(Self { words: said.iter().map(forms_of).collect(), prefix })
    }

    /// In the query language of FTS5.
    pub(crate) fn fts5(&self) -> String {
        self.written("OR", "AND", |form| format!("\"{form}\""), |prefix| format!("\"{prefix}\"*"))
    }

    /// As a `tsquery`.
    pub(crate) fn tsquery(&self) -> String {
        self.written("|", "&", |form| format!("'{form}'"), |prefix| format!("'{prefix}':*"))
    }

    /// Words have letters and digits only, so nothing needs an escape.
    fn written(&self, or: &str, and: &str, form: impl Fn(&str) -> String, prefix: impl Fn(&str) -> String) -> String {
        let last = self.words.len().saturating_sub(1);
        let word = |(at, forms): (usize, &Vec<String>)| {
            let mut all: Vec<String> = forms.iter().map(|one| form(one)).collect();
            all.extend(self.prefix.as_deref().filter(|_| at == last).map(&prefix));
            format!("({})", all.join(&format!(" {or} ")))
        };
        self.words.iter().enumerate().map(word).collect::<Vec<_>>().join(&format!(" {and} "))
    }
}

fn is_stop(word: &str) -> bool {
    STOP.contains(&word)
}

fn fold(letter: char) -> Option<char> {
    Some(match letter {
        // Harakat and the marks beside them, superscript alef, tatweel, and marks of the Quran.
        '\u{064B}'..='\u{065F}' | '\u{0670}' | '\u{0640}' | '\u{06D6}'..='\u{06DC}' => return None,
        'أ' | 'إ' | 'آ' | 'ٱ' => 'ا',
        'ى' | 'ئ' | '\u{06CC}' => 'ي',
        'ة' | '\u{06C1}' => 'ه',
        'ؤ' => 'و',
        '\u{06A9}' => 'ك',
        '\u{0660}'..='\u{0669}' => ascii_digit(letter, 0x0660),
        '\u{06F0}'..='\u{06F9}' => ascii_digit(letter, 0x06F0),
        other => other,
    })
}

fn ascii_digit(letter: char, zero: u32) -> char {
    char::from_digit(u32::from(letter) - zero, 10).unwrap_or(letter)
}

/// The word and its stems.
fn forms(word: String) -> Vec<String> {
    if word.chars().any(is_arabic) {
        let mut all = vec![stem_arabic(strip_prefix(&word, PREFIXES))];
        // These begin words of their own as often as they are prefixes.
        if let Some(rest) = word.strip_prefix('و').filter(|rest| letters(rest) >= KEPT_MIN) {
            all.push(stem_arabic(strip_prefix(rest, PREFIXES)));
            all.push(stem_arabic(&word));
        }
        if word.starts_with("لل") {
            let rest = word.strip_prefix('ل').filter(|rest| letters(rest) >= KEPT_MIN).unwrap_or(&word);
            all.push(stem_arabic(rest));
        }
        all.push(word);
        return all;
    }
    if word.bytes().all(|b| b.is_ascii_alphabetic()) {
        return vec![Stemmer::create(Algorithm::English).stem(&word).into_owned(), word];
    }
    vec![word]
}

fn is_arabic(letter: char) -> bool {
    ('\u{0621}'..='\u{064A}').contains(&letter)
}

fn letters(text: &str) -> usize {
    text.chars().count()
}

fn strip_prefix<'a>(word: &'a str, prefixes: &[&str]) -> &'a str {
    let rest = prefixes.iter().find_map(|prefix| word.strip_prefix(prefix));
    rest.filter(|rest| letters(rest) >= KEPT_MIN).unwrap_or(word)
}

fn stem_arabic(word: &str) -> String {
    let mut stem = word;
    for suffix in SUFFIXES {
        if let Some(rest) = stem.strip_suffix(suffix).filter(|rest| letters(rest) >= KEPT_MIN) {
            stem = rest;
        }
    }
    if letters(stem) >= 5 {
        stem = stem.strip_suffix('ا').unwrap_or(stem);
    }
    stem.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arabic_and_english_are_normalised() {
        for (text, expected) in [
            ("مُحَمَّد", "محمد"),
            ("أحمد إبراهيم آل ٱلله", "احمد ابراهيم ال الله"),
            ("محطة", "محطه"),
            ("طـــريق", "طريق"),
            ("دبى مسؤول سائق", "دبي مسوول سايق"),
            ("٤٥ ۴۵ 45", "45 45 45"),
            ("Gate-3/NORTH (ＦＵＬＬ)", "gate 3 north full"),
            ("ﻣﺤﻄﺔ", "محطه"),
            ("  ", ""),
        ] {
            assert_eq!(sort_key(text), expected, "{text}");
        }
    }

    /// Whether a query finds a text, as an index would answer.
    fn finds(query: &str, text: &str) -> bool {
        let tokens = tokens([text]);
        let stored: Vec<&str> = tokens.split(' ').collect();
        let Some(query) = Query::new(query) else { return false };
        let last = query.words.len() - 1;
        query.words.iter().enumerate().all(|(at, forms)| {
            let begins = query.prefix.as_ref().filter(|_| at == last);
            forms.iter().any(|form| stored.contains(&form.as_str()))
                || begins.is_some_and(|prefix| stored.iter().any(|token| token.starts_with(prefix.as_str())))
        })
    }

    #[test]
    fn pairs_that_must_hit_hit_both_ways() {
        for (one, other) in [
            ("حادث", "الحَادِثُ"),
            ("محطة", "المحطة"),
            ("احمد", "أحمد"),
            ("المدرسة", "المدرسه"),
            ("سيارات", "سيارة"),
            ("سيارات", "السيارات"),
            ("سيارة", "السيارات"),
            ("حوادث", "حادث"),
            ("٤٥", "45"),
            ("۴۵", "45"),
            ("stations", "station"),
            ("كاميرا", "الكاميرات"),
            ("كاميرات", "كاميرا"),
            ("محطات", "محطة"),
            ("محمد", "مُحَمَّد"),
            ("محطه", "محطة"),
            ("والسيارة", "سيارات"),
            ("وقود", "الوقود"),
            ("وزارة", "الوزارة"),
            ("وسيارة", "سيارة"),
            ("للمحطة", "محطة"),
            ("للوحات", "لوحة"),
            ("ألعاب", "الألعاب"),
            ("مستشفى", "مستشفيات"),
            ("سائق", "السائقين"),
            ("مسؤول", "المسوول"),
            ("طـــريق", "الطريق"),
            ("دبى", "دبي"),
            ("مترو", "metro"),
            ("حافلة", "باص"),
            ("parking", "parked"),
        ] {
            assert!(finds(one, other), "{one} does not find {other}");
            assert!(finds(other, one), "{other} does not find {one}");
        }
        assert!(finds("car parking", "Red cars parked"));
        assert!(finds("stat", "Union Station"), "an unfinished word");
        assert!(!finds("stat union", "Union Station"), "only the last word may be unfinished");
        assert!(!finds("محطة شارع", "محطة الاتحاد"), "every word must be found");
        assert!(!finds("باص", "باب"));
    }

    #[test]
    fn a_query_cannot_leave_its_quotes() {
        assert_eq!(Query::new("'\"*():&|! the"), None);
        let query = Query::new("a\"b' OR *").unwrap();
        assert_eq!(query.fts5(), "(\"b\") AND (\"or\" OR \"or\"*)");
        assert_eq!(query.tsquery(), "('b') & ('or' | 'or':*)");
    }
}
