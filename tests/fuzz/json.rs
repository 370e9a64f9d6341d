//! Changes of JSON as a tree: values become others, fields come, go and are given twice, things are nested.

use serde_json::{Map, Value, json};

use crate::mutation;
use crate::random::Random;

/// Changes a part if it is a JSON object or list; says whether it was.
pub(crate) fn change(random: &mut Random, part: &mut Vec<u8>, other: &[u8]) -> bool {
    let Ok(mut value @ (Value::Object(_) | Value::Array(_))) = serde_json::from_slice(part) else {
        return lines(random, part, other);
    };
    let other = serde_json::from_slice(other).unwrap_or(Value::Null);
    let mut places = count(&value);
    visit(&mut value, &mut random.below(places), &mut |found| {
        *found = changed(random, found, &other);
    });
    let mut text = value.to_string();
    // What no tree can hold: a field that is given twice.
    places = text.len();
    if random.once_in(16)
        && let Value::Object(fields) = &value
        && let Some((name, first)) = fields.iter().next()
        && places > 2
    {
        text = format!("{{{}:{first},{}", Value::from(name.as_str()), &text[1..]);
    }
    *part = text.into_bytes();
    true
}

/// Lines of JSON, of which one is changed, given twice, or taken away.
fn lines(random: &mut Random, part: &mut Vec<u8>, other: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(part) else {
        return false;
    };
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    if lines.len() < 2 || !lines.iter().all(|line| line.starts_with('{')) {
        return false;
    }
    let at = random.below(lines.len());
    match random.below(12) {
        0 => drop(lines.remove(at)),
        1 => lines.insert(at, lines[at].clone()),
        2 => lines.swap(at, random.below(text.lines().count())),
        _ => {
            let mut line = lines[at].clone().into_bytes();
            let other = other
                .split(|byte| *byte == b'\n')
                .next()
                .unwrap_or_default();
            if !change(random, &mut line, other) {
                return false;
            }
            lines[at] = String::from_utf8_lossy(&line).into_owned();
        }
    }
    *part = (lines.join("\n") + "\n").into_bytes();
    true
}

fn count(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(count).sum::<usize>(),
        Value::Object(fields) => fields.values().map(count).sum(),
        _ => 0,
    }
}

/// Finds the value at this place, counted from the outside.
fn visit(value: &mut Value, place: &mut usize, found: &mut dyn FnMut(&mut Value)) -> bool {
    if *place == 0 {
        found(value);
        return true;
    }
    *place -= 1;
    match value {
        Value::Array(items) => items.iter_mut().any(|item| visit(item, place, found)),
        Value::Object(fields) => fields.values_mut().any(|field| visit(field, place, found)),
        _ => false,
    }
}

fn changed(random: &mut Random, value: &Value, other: &Value) -> Value {
    match value {
        Value::Object(fields) if !random.once_in(6) => object(random, fields.clone(), other),
        Value::Array(items) if !random.once_in(6) => array(random, items.clone(), other),
        Value::String(text) if !random.once_in(4) => {
            let other = other.as_str().unwrap_or(text);
            if text.is_empty() {
                return Value::from("x");
            }
            Value::from(mutation::text(random, text, other))
        }
        Value::Number(number) if !random.once_in(4) => {
            arithmetic(random, number.as_i64().unwrap_or(1))
        }
        _ => drawn(random, value, other),
    }
}

fn object(random: &mut Random, mut fields: Map<String, Value>, other: &Value) -> Value {
    let names: Vec<String> = fields.keys().cloned().collect();
    if !names.is_empty() && random.once_in(2) {
        let name = random.pick(&names);
        let taken = fields.remove(name).unwrap_or(Value::Null);
        if random.once_in(2) {
            fields.insert(mutation::text(random, &(name.clone() + " "), name), taken);
        }
    } else if let Value::Object(others) = other {
        let others: Vec<_> = others.iter().collect();
        if !others.is_empty() {
            let (name, value) = *random.pick(&others);
            fields.insert(name.clone(), value.clone());
        }
    }
    Value::Object(fields)
}

fn array(random: &mut Random, mut items: Vec<Value>, other: &Value) -> Value {
    let at = random.below(items.len());
    match random.below(5) {
        0 if !items.is_empty() => drop(items.remove(at)),
        1 if !items.is_empty() => {
            let item = items[at].clone();
            items.extend(vec![item; 1 << random.below(8)]);
        }
        2 => items.clear(),
        3 => items.push(other.clone()),
        _ => items.reverse(),
    }
    Value::Array(items)
}

fn arithmetic(random: &mut Random, number: i64) -> Value {
    match random.below(8) {
        0 => json!(number.wrapping_neg()),
        1 => json!(number.wrapping_add(1)),
        2 => json!(number.wrapping_sub(1)),
        3 => json!(number.wrapping_mul(1 << 32)),
        4 => json!(u64::MAX),
        5 => json!(i64::MIN),
        6 => json!(1e300),
        _ => json!(0.1),
    }
}

fn drawn(random: &mut Random, value: &Value, other: &Value) -> Value {
    match random.below(12) {
        0 => Value::Null,
        1 => json!(true),
        2 => json!(""),
        3 => json!(-1),
        4 => json!({}),
        5 => json!([]),
        6 => json!([value]),
        7 => json!({"name": value}),
        8 => json!("x".repeat(1 << random.below(14))),
        9 => {
            let mut nested = value.clone();
            for _ in 0..1 << random.below(9) {
                nested = json!([nested]);
            }
            nested
        }
        _ => other.clone(),
    }
}

#[test]
fn json_stays_json_and_anything_else_is_left_alone() {
    let mut random = Random(7);
    let mut changed = 0;
    for _ in 0..300 {
        let before = br#"{"a":[1,"x",{"b":null}],"c":0.5}"#;
        let mut part = before.to_vec();
        assert!(change(&mut random, &mut part, br#"{"d":1}"#));
        assert!(serde_json::from_slice::<Value>(&part).is_ok() || part.len() > 200);
        changed += usize::from(part != before);
        let mut text = b"select 1".to_vec();
        assert!(!change(&mut random, &mut text, b""));
        assert_eq!(text, b"select 1");
    }
    assert!(changed > 200);
}
