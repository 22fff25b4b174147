//! sprig's random strings and numbers, drawn from the engine's source of randomness.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::Function;
use crate::template::error::Outcome;
use crate::template::value::{Type, Value};
use crate::template::{Environment, budget};

pub(super) static FUNCTIONS: &[Function] = &[
    Function::with_environment("randBytes", &[Type::Int], rand_bytes),
    Function::with_environment("randAlpha", &[Type::Int], |environment, args| {
        drawn(environment, args[0].int(), u8::is_ascii_alphabetic)
    }),
    Function::with_environment("randAlphaNum", &[Type::Int], rand_alpha_num),
    Function::with_environment("randNumeric", &[Type::Int], |environment, args| {
        drawn(environment, args[0].int(), u8::is_ascii_digit)
    }),
    Function::with_environment("randAscii", &[Type::Int], |environment, args| {
        drawn(environment, args[0].int(), |_| true)
    }),
    Function::with_environment("randInt", &[Type::Int, Type::Int], rand_int),
    Function::with_environment("shuffle", &[Type::String], shuffle),
    Function::with_environment("uuidv4", &[], uuidv4),
];

/// Each number below `bound` equally likely.
fn below(environment: &Environment<'_>, bound: u64) -> u64 {
    let limit = u64::MAX - u64::MAX % bound;
    loop {
        let mut bytes = Zeroizing::new([0; 8]);
        (environment.random)(bytes.as_mut_slice());
        let number = u64::from_le_bytes(*bytes);
        if number < limit {
            return number % bound;
        }
    }
}

/// An index below `length`, which is not 0.
fn index(environment: &Environment<'_>, length: usize) -> usize {
    let drawn = below(environment, u64::try_from(length).unwrap_or(u64::MAX));
    usize::try_from(drawn).unwrap_or(0)
}

/// `count` printable ASCII characters that `wanted` takes; none for a count below 1, as in sprig.
fn text(environment: &Environment<'_>, count: i64, wanted: fn(&u8) -> bool) -> Outcome<Vec<u8>> {
    let count = usize::try_from(count).unwrap_or(0);
    budget::spend(count.saturating_mul(8))?;
    let alphabet: Vec<u8> = (b' '..=b'~').filter(wanted).collect();
    let characters = (0..count).map(|_| alphabet[index(environment, alphabet.len())]);
    Ok(characters.collect())
}

fn drawn(environment: &Environment<'_>, count: i64, wanted: fn(&u8) -> bool) -> Outcome {
    Ok(text(environment, count, wanted)?.into())
}

/// Letters and digits, with at least one digit, as sprig sees to.
fn rand_alpha_num(environment: &Environment<'_>, args: &[Value]) -> Outcome {
    let mut text = text(environment, args[0].int(), u8::is_ascii_alphanumeric)?;
    if !text.is_empty() && !text.iter().any(u8::is_ascii_digit) {
        let at = index(environment, text.len());
        text[at] = b"0123456789"[index(environment, 10)];
    }
    Ok(text.into())
}

/// Base64 of that many bytes.
fn rand_bytes(environment: &Environment<'_>, args: &[Value]) -> Outcome {
    let count = usize::try_from(args[0].int())
        .map_err(|_| "runtime error: makeslice: len out of range".to_owned())?;
    budget::spend(count.saturating_mul(2))?;
    let mut bytes = Zeroizing::new(vec![0; count]);
    (environment.random)(&mut bytes);
    Ok(STANDARD.encode(bytes.as_slice()).into())
}

/// A number from the first up to, not including, the second.
fn rand_int(environment: &Environment<'_>, args: &[Value]) -> Outcome {
    let (least, end) = (args[0].int(), args[1].int());
    let span = u64::try_from(end.wrapping_sub(least)).unwrap_or(0);
    if span == 0 || end <= least {
        return Err("invalid argument to Intn".to_owned());
    }
    Ok(Value::Int(
        least.wrapping_add_unsigned(below(environment, span)),
    ))
}

/// The characters in another order.
fn shuffle(environment: &Environment<'_>, args: &[Value]) -> Outcome {
    budget::spend(args[0].bytes().len().saturating_mul(8))?;
    let mut characters: Vec<char> = String::from_utf8_lossy(args[0].bytes()).chars().collect();
    for end in (2..=characters.len()).rev() {
        characters.swap(end - 1, index(environment, end));
    }
    Ok(String::from_iter(characters).into())
}

#[expect(clippy::unnecessary_wraps, reason = "the table's signature")]
fn uuidv4(environment: &Environment<'_>, _args: &[Value]) -> Outcome {
    let mut bytes = [0; 16];
    (environment.random)(&mut bytes);
    let id = uuid::Builder::from_random_bytes(bytes).into_uuid();
    Ok(id.to_string().into())
}

#[cfg(test)]
mod tests {
    use super::super::samples::call;
    use crate::template::value::Value;

    #[test]
    fn random_text_has_its_length_and_its_alphabet() {
        for (name, wanted) in [
            ("randAlpha", u8::is_ascii_alphabetic as fn(&u8) -> bool),
            ("randAlphaNum", u8::is_ascii_alphanumeric),
            ("randNumeric", u8::is_ascii_digit),
            ("randAscii", |c| (b' '..=b'~').contains(c)),
        ] {
            let text = call(name, &[Value::Int(200)]).unwrap();
            assert_eq!(text.bytes().len(), 200, "{name}");
            assert!(text.bytes().iter().all(wanted), "{name}");
            assert!(call(name, &[Value::Int(-1)]).unwrap().bytes().is_empty());
        }
    }

    #[test]
    fn letters_and_digits_hold_a_digit() {
        for _ in 0..200 {
            let text = call("randAlphaNum", &[Value::Int(2)]).unwrap();
            assert!(text.bytes().iter().any(u8::is_ascii_digit));
        }
    }

    #[test]
    fn random_numbers_stay_in_their_range() {
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..300 {
            let Value::Int(number) = call("randInt", &[Value::Int(-2), Value::Int(3)]).unwrap()
            else {
                panic!("must be an int");
            };
            seen.insert(number);
        }
        assert_eq!(seen.into_iter().collect::<Vec<_>>(), [-2, -1, 0, 1, 2]);
        let empty = call("randInt", &[Value::Int(3), Value::Int(3)]);
        assert_eq!(empty.unwrap_err(), "invalid argument to Intn");
    }

    #[test]
    fn shuffling_keeps_the_characters() {
        let text = call("shuffle", &["zażółć gęślą".into()]).unwrap();
        let sorted = |text: &str| {
            let mut characters: Vec<char> = text.chars().collect();
            characters.sort_unstable();
            characters
        };
        let shuffled = std::str::from_utf8(text.bytes()).unwrap();
        assert_eq!(sorted(shuffled), sorted("zażółć gęślą"));
    }

    #[test]
    fn identifiers_are_of_version_4() {
        let id = call("uuidv4", &[]).unwrap();
        let id = uuid::Uuid::try_parse_ascii(id.bytes()).unwrap();
        assert_eq!(id.get_version_num(), 4);
    }
}
