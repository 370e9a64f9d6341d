//! Changes of inputs: of their parts, of text and of bytes.
//!
//! A part that is JSON is mostly changed as a tree ([`crate::json`]), one that is text mostly by its words, and all
//! else by bytes: flipped, cut off, doubled, taken from other inputs, overwritten with numbers that lengths and
//! offsets are often compared with.

use crate::input::Input;
use crate::json;
use crate::random::Random;

/// Parts of an input do not grow beyond this by changes alone.
const MOST_BYTES: usize = 1 << 20;
/// Nor do inputs get more parts than this.
const MOST_PARTS: usize = 24;

/// An input that differs from one in the corpus by a few changes.
pub(crate) fn mutated(random: &mut Random, corpus: &[Input]) -> Input {
    // What came last is new, and less often tried.
    let newest = corpus.len() - corpus.len().min(32);
    let at = if random.once_in(2) {
        newest + random.below(corpus.len() - newest)
    } else {
        random.below(corpus.len())
    };
    let mut input = corpus[at].clone();
    for _ in 0..=random.below(4) {
        let other = random.pick(corpus).clone();
        change(random, &mut input, &other);
    }
    input
}

fn change(random: &mut Random, input: &mut Input, other: &Input) {
    if input.is_empty() {
        input.clone_from(other);
        return;
    }
    let at = random.below(input.len());
    match random.below(24) {
        0 => drop(input.remove(at)),
        1 if input.len() < MOST_PARTS => input.insert(at, input[at].clone()),
        2 => {
            let to = random.below(input.len());
            input.swap(at, to);
        }
        3 if !other.is_empty() => input[at].clone_from(random.pick(other)),
        4 if !other.is_empty() => {
            let cut = random.below(other.len());
            input.truncate(at + 1);
            input.extend_from_slice(&other[cut..]);
            input.truncate(MOST_PARTS);
        }
        _ => {
            let from = match other.is_empty() {
                true => Vec::new(),
                false => random.pick(other).clone(),
            };
            part(random, &mut input[at], &from);
        }
    }
}

fn part(random: &mut Random, part: &mut Vec<u8>, other: &[u8]) {
    if !random.once_in(6) {
        if json::change(random, part, other) {
            return;
        }
        if let Ok(text) = std::str::from_utf8(part)
            && !text.is_empty()
        {
            *part = self::text(random, text, &String::from_utf8_lossy(other)).into_bytes();
            part.truncate(MOST_BYTES);
            return;
        }
    }
    bytes(random, part, other);
    part.truncate(MOST_BYTES);
}

/// Numbers that lie next to limits.
const NUMBERS: [i64; 21] = [
    0,
    1,
    2,
    7,
    8,
    63,
    64,
    127,
    128,
    255,
    256,
    32_767,
    65_535,
    65_536,
    2_147_483_647,
    4_294_967_295,
    4_294_967_296,
    1 << 40,
    i64::MAX,
    i64::MIN,
    -1,
];

fn number(random: &mut Random, length: usize) -> i64 {
    match random.below(4) {
        0 => i64::try_from(length).unwrap() - 2 + i64::try_from(random.below(5)).unwrap(),
        1 => i64::from_le_bytes(random.next().to_le_bytes()),
        _ => *random.pick(&NUMBERS),
    }
}

/// Changes bytes somewhere.
pub(crate) fn bytes(random: &mut Random, bytes: &mut Vec<u8>, other: &[u8]) {
    let length = bytes.len();
    let range = random.range(length);
    match random.below(12) {
        0 => bytes.truncate(random.below(length + 1)),
        1 => drop(bytes.drain(range)),
        2 => {
            let doubled = bytes[range.clone()].to_vec();
            bytes.splice(range.end..range.end, doubled);
        }
        3 => {
            let taken = random.range(other.len());
            bytes.splice(range, other[taken].iter().copied());
        }
        4 => {
            let value = *random.pick(&[0, 0xff, b' ', 0x80, 0x7f]);
            bytes.splice(range.start..range.start, vec![value; 1 + random.below(64)]);
        }
        5 if length > 0 => {
            let at = random.below(length);
            bytes[at] ^= 1 << random.below(8);
        }
        6 if length > 0 => {
            let at = random.below(length);
            bytes[at] = u8::try_from(random.below(256)).unwrap();
        }
        7 if length > 0 => {
            let at = random.below(length);
            bytes[at] = bytes[at].wrapping_add(*random.pick(&[1, 0xff, 2, 4, 8]));
        }
        // Numbers in binary formats mostly lie where their width divides the place.
        _ if length > 0 => {
            let width = *random.pick(&[1, 2, 4, 4, 8, 8]);
            let at = random.below(length);
            let at = if random.once_in(4) {
                at
            } else {
                at - at % width
            };
            let number = number(random, length).to_le_bytes();
            for (byte, value) in bytes[at..].iter_mut().zip(&number[..width]) {
                *byte = *value;
            }
        }
        _ => bytes.extend_from_slice(other),
    }
}

/// Text that is read in more than one way.
const WORDS: [&str; 40] = [
    "",
    " ",
    "\0",
    "\n",
    "'",
    "\"",
    "`",
    "\\",
    "/",
    "..",
    ".",
    "%",
    "%00",
    "_",
    "-",
    "*",
    "$1",
    "?",
    ";",
    "--",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ",",
    "null",
    "NaN",
    "-0",
    "1e308",
    "9223372036854775808",
    "é",
    "e\u{301}",
    "ß",
    "İ",
    "\u{202e}",
    "🦀",
    "\u{feff}",
    "\u{10ffff}",
];

/// Changes words of a text.
pub(crate) fn text(random: &mut Random, text: &str, other: &str) -> String {
    let mut words = split(text);
    let others = split(other);
    let at = random.below(words.len());
    match random.below(12) {
        0 => drop(words.remove(at)),
        1 => words.insert(at, words[at]),
        2 => {
            let to = random.below(words.len());
            words.swap(at, to);
        }
        3 => words.truncate(at),
        4 | 5 if !others.is_empty() => words.insert(at, others[random.below(others.len())]),
        6 | 7 if !others.is_empty() => words[at] = others[random.below(others.len())],
        8 => words[at] = WORDS[random.below(WORDS.len())],
        9 => {
            let number = number(random, text.len()).to_string();
            let before = words[..at].concat();
            return before + &number + &words[at + 1..].concat();
        }
        10 if random.once_in(4) => {
            // Deep, or long.
            let times = 1 << random.below(12);
            let repeated = words[at].repeat(times.min(MOST_BYTES / words[at].len().max(1)));
            return words[..at].concat() + &repeated + &words[at..].concat();
        }
        _ => words.insert(at, WORDS[random.below(WORDS.len())]),
    }
    words.concat()
}

/// Words, and what stands between them, one character at a time.
fn split(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut start = 0;
    for (at, character) in text.char_indices() {
        if character.is_alphanumeric() {
            continue;
        }
        if start < at {
            words.push(&text[start..at]);
        }
        let end = at + character.len_utf8();
        words.push(&text[at..end]);
        start = end;
    }
    if start < text.len() {
        words.push(&text[start..]);
    }
    words
}

#[test]
fn words_are_split_so_that_they_make_the_text_again() {
    for text in ["select a_b, 'é'", "", "x", "((", " é"] {
        assert_eq!(split(text).concat(), text);
    }
    assert_eq!(split("ab, c"), ["ab", ",", " ", "c"]);
}

#[test]
fn a_seed_repeats_what_it_has_drawn_and_others_draw_otherwise() {
    let corpus = [crate::input::texts([
        r#"{"name":"a","limit":1}"#,
        "select 1",
    ])];
    let draws = |seed| {
        let mut random = Random(seed);
        let drawn = (0..50).map(|_| mutated(&mut random, &corpus));
        drawn.collect::<Vec<_>>()
    };
    assert_eq!(draws(1), draws(1));
    assert_ne!(draws(1), draws(2));
}
