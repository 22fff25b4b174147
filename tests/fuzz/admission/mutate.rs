//! Changes at random: of text, and of JSON as a tree.

use serde_json::{Value, json};

use crate::chance::Chance;
use crate::corpus::WORDS;

/// Changes a text in a few places; the result is UTF-8.
pub(crate) fn text(chance: &mut Chance, text: &str) -> String {
    let mut bytes = text.as_bytes().to_vec();
    for _ in 0..=chance.below(4) {
        bytes_once(chance, &mut bytes);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Changes bytes in one place.
pub(crate) fn bytes_once(chance: &mut Chance, bytes: &mut Vec<u8>) {
    let at = chance.below(bytes.len() + 1);
    let end = (at + chance.below(12)).min(bytes.len());
    match chance.below(6) {
        0 => drop(bytes.drain(at..end)),
        1 => drop(bytes.splice(at..end, chance.pick(&WORDS).bytes())),
        2 => drop(bytes.splice(at..at, chance.pick(&WORDS).bytes())),
        3 => {
            let copied = bytes[at..end].to_vec();
            let to = chance.below(bytes.len() + 1);
            drop(bytes.splice(to..to, copied));
        }
        4 => bytes.truncate(at.max(bytes.len() / 2)),
        _ => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << chance.below(8);
            }
        }
    }
}

/// Changes one place of a tree.
pub(crate) fn tree(chance: &mut Chance, root: &mut Value) {
    let count = size(root);
    let mut index = chance.below(count);
    let donor = pick(root, chance.below(count)).clone();
    let place = nth(root, &mut index).expect("the index is below the size");
    change(chance, place, donor);
}

fn change(chance: &mut Chance, place: &mut Value, donor: Value) {
    match (chance.below(10), &mut *place) {
        (0, _) => *place = anything(chance),
        (1, _) => *place = donor,
        (2..=6, Value::String(held)) => *held = text(chance, held),
        (2..=4, Value::Array(items)) if !items.is_empty() => {
            let at = chance.below(items.len());
            if chance.one_in(2) {
                items.remove(at);
            } else {
                let copy = items[at].clone();
                items.insert(chance.below(items.len() + 1), copy);
            }
        }
        (2..=3, Value::Object(members)) if !members.is_empty() => {
            let key = members.keys().nth(chance.below(members.len())).cloned();
            let value = key.and_then(|key| members.shift_remove(&key).map(|value| (key, value)));
            // A renamed member, or none.
            if let Some((key, value)) = value.filter(|_| chance.one_in(2)) {
                members.insert(text(chance, &key), value);
            }
        }
        (4..=6, Value::Object(members)) => {
            let key = (*chance.pick(&KEYS)).to_owned();
            members.insert(
                key,
                if chance.one_in(2) {
                    donor
                } else {
                    anything(chance)
                },
            );
        }
        (7, Value::Array(items)) => items.push(donor),
        _ => {}
    }
}

const KEYS: [&str; 24] = [
    "name",
    "key",
    "value",
    "valueFrom",
    "secretKeyRef",
    "secretRef",
    "envFrom",
    "env",
    "secret",
    "secretName",
    "projected",
    "sources",
    "imagePullSecrets",
    "nodePublishSecretRef",
    "csi",
    "labels",
    "annotations",
    "spec",
    "metadata",
    "optional",
    "latchkey.dev/inline",
    "latchkey.dev/secret.other",
    "a/b~c",
    "",
];

fn anything(chance: &mut Chance) -> Value {
    match chance.below(9) {
        0 => Value::Null,
        1 => json!(true),
        2 => json!(-1),
        3 => json!(1.5e300),
        4 => json!([]),
        5 => json!({}),
        6 => json!({"name": "db"}),
        7 => json!([{"name": "A", "value": "secret://vault/a#b"}]),
        _ => json!(chance.pick(&WORDS)),
    }
}

fn size(value: &Value) -> usize {
    let below = match value {
        Value::Array(items) => items.iter().map(size).sum(),
        Value::Object(members) => members.values().map(size).sum(),
        _ => 0,
    };
    1 + below
}

fn pick(root: &Value, mut index: usize) -> &Value {
    let mut place = root;
    while index > 0 {
        index -= 1;
        let below: Vec<&Value> = match place {
            Value::Array(items) => items.iter().collect(),
            Value::Object(members) => members.values().collect(),
            _ => return place,
        };
        for child in below {
            let count = size(child);
            if index < count {
                place = child;
                break;
            }
            index -= count;
        }
    }
    place
}

fn nth<'v>(place: &'v mut Value, index: &mut usize) -> Option<&'v mut Value> {
    if *index == 0 {
        return Some(place);
    }
    *index -= 1;
    match place {
        Value::Array(items) => items.iter_mut().find_map(|item| nth(item, index)),
        Value::Object(members) => members.values_mut().find_map(|member| nth(member, index)),
        _ => None,
    }
}
