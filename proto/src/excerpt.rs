//! What of a caller's own text may be shown back to them in an error.
//!
//! Errors quote bad values so that they can be found, but a value may be a megabyte long or hold
//! line breaks that would forge log lines. [`excerpt`] bounds the length and escapes control
//! characters; it always cuts between characters.

/// The first `max_chars` characters of `text`, control characters escaped, `…` where it was cut.
pub(crate) fn excerpt(text: &str, max_chars: usize) -> String {
    let mut shown = String::new();
    for (position, character) in text.chars().enumerate() {
        if position == max_chars {
            shown.push('…');
            break;
        }
        if character.is_control() {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::excerpt;

    #[test]
    fn short_text_is_shown_as_it_is() {
        assert_eq!(excerpt("héllo", 5), "héllo");
    }

    #[test]
    fn long_text_is_cut_between_characters() {
        assert_eq!(excerpt("ééééé", 3), "ééé…");
    }

    #[test]
    fn control_characters_are_escaped() {
        assert_eq!(excerpt("a\nb\0\u{85}", 9), "a\\nb\\u{0}\\u{85}");
    }
}
