//! sprig's arithmetic: on integers, which wrap around, and on floats.

use super::Function;
use super::cast::{to_float, to_int};
use super::decimal::{Decimal, Operation};
use crate::template::error::Outcome;
use crate::template::value::{Type, Value};

const A: Type = Type::Any;

pub(super) static FUNCTIONS: &[Function] = &[
    Function::new("add", &[], |args| folded(0, args, i64::wrapping_add)).and_more(A),
    Function::new("add1", &[A], |args| folded(1, args, i64::wrapping_add)),
    Function::new("sub", &[A, A], |args| {
        folded(to_int(&args[0]), &args[1..], i64::wrapping_sub)
    }),
    Function::new("mul", &[A], |args| folded(1, args, i64::wrapping_mul)).and_more(A),
    Function::new("div", &[A, A], |args| divided(args, i64::wrapping_div)),
    Function::new("mod", &[A, A], |args| divided(args, i64::wrapping_rem)),
    Function::new("max", &[A], greatest).and_more(A),
    Function::new("biggest", &[A], greatest).and_more(A),
    Function::new("min", &[A], |args| {
        folded(to_int(&args[0]), &args[1..], i64::min)
    })
    .and_more(A),
    Function::new("maxf", &[A], |args| Ok(extreme(args, f64::INFINITY).into())).and_more(A),
    Function::new("minf", &[A], |args| {
        Ok(extreme(args, f64::NEG_INFINITY).into())
    })
    .and_more(A),
    Function::new("floor", &[A], |args| Ok(to_float(&args[0]).floor().into())),
    Function::new("ceil", &[A], |args| Ok(to_float(&args[0]).ceil().into())),
    Function::new("round", &[A, Type::Int], round).and_more(Type::Float64),
    Function::new("add1f", &[A], |args| {
        decimal(&[args[0].clone(), Value::Int(1)], Operation::Add)
    }),
    Function::new("addf", &[], |args| {
        let zero = [Value::Float64(0.0)];
        decimal(&[zero.as_slice(), args].concat(), Operation::Add)
    })
    .and_more(A),
    Function::new("subf", &[A], |args| decimal(args, Operation::Subtract)).and_more(A),
    Function::new("mulf", &[A], |args| decimal(args, Operation::Multiply)).and_more(A),
    Function::new("divf", &[A], |args| decimal(args, Operation::Divide)).and_more(A),
];

#[expect(
    clippy::unnecessary_wraps,
    reason = "so that the table's lines stay short"
)]
fn folded(start: i64, args: &[Value], operation: fn(i64, i64) -> i64) -> Outcome {
    let numbers = args.iter().map(to_int);
    Ok(Value::Int64(numbers.fold(start, operation)))
}

fn greatest(args: &[Value]) -> Outcome {
    folded(to_int(&args[0]), &args[1..], i64::max)
}

fn divided(args: &[Value], operation: fn(i64, i64) -> i64) -> Outcome {
    let (number, divisor) = (to_int(&args[0]), to_int(&args[1]));
    if divisor == 0 {
        return Err("runtime error: integer divide by zero".to_owned());
    }
    Ok(Value::Int64(operation(number, divisor)))
}

/// The float that is nearest to `limit`, an infinity; that itself beats NaN, and the zeros are told
/// apart.
fn extreme(args: &[Value], limit: f64) -> f64 {
    let is_limit = |x: f64| x.is_infinite() && x.signum().total_cmp(&limit.signum()).is_eq();
    let nearer = |a: f64, b: f64| {
        let ascending = a.total_cmp(&b).is_lt();
        if ascending == limit.is_sign_positive() {
            b
        } else {
            a
        }
    };
    let numbers = args.iter().map(to_float);
    let extreme = numbers.reduce(|a, b| match (a, b) {
        _ if is_limit(a) || is_limit(b) => limit,
        _ if a.is_nan() || b.is_nan() => f64::NAN,
        _ => nearer(a, b),
    });
    extreme.unwrap_or(0.0)
}

/// Rounds up from the fraction that the third argument tells, by default a half; all else down.
#[expect(clippy::unnecessary_wraps, reason = "the table wants an outcome")]
fn round(args: &[Value]) -> Outcome {
    let threshold = args.get(2).map_or(0.5, to_float);
    let power = power_of_ten(args[1].int());
    let digits = power * to_float(&args[0]);
    let rounded = if digits.fract() >= threshold {
        digits.ceil()
    } else {
        digits.floor()
    };
    Ok((rounded / power).into())
}

/// Go's `math.Pow(10, exponent)`, with its own rounding: it multiplies squares, which is not always
/// the nearest float.
fn power_of_ten(exponent: i64) -> f64 {
    // 10 is 0.625 * 2^4; the squares are kept between a half and 1, with the power of two beside.
    let (mut square, mut square_exponent) = (0.625, 4_i64);
    let (mut product, mut product_exponent) = (1.0, 0_i64);
    let mut left = exponent.unsigned_abs();
    while left != 0 {
        if square_exponent > 1 << 12 {
            product_exponent += square_exponent;
            break;
        }
        if left & 1 == 1 {
            product *= square;
            product_exponent += square_exponent;
        }
        square *= square;
        square_exponent <<= 1;
        if square < 0.5 {
            square += square;
            square_exponent -= 1;
        }
        left >>= 1;
    }
    if exponent < 0 {
        product = 1.0 / product;
        product_exponent = -product_exponent;
    }
    scaled(product, product_exponent)
}

/// `number * 2^exponent`, in steps that each are exact until the last.
fn scaled(mut number: f64, exponent: i64) -> f64 {
    let mut left = exponent.clamp(-5000, 5000);
    while left > 1000 {
        number *= 2f64.powi(1000);
        left -= 1000;
    }
    while left < -1000 {
        number *= 2f64.powi(-1000);
        left += 1000;
    }
    number * 2f64.powi(i32::try_from(left).unwrap_or(0))
}

/// The arguments, as decimal fractions, joined by `operation`.
fn decimal(args: &[Value], operation: Operation) -> Outcome {
    let mut numbers = args.iter().map(to_float);
    let mut result = Decimal::new(numbers.next().unwrap_or(0.0))?;
    for number in numbers {
        result = result.combined(operation, &Decimal::new(number)?)?;
    }
    Ok(result.to_float().into())
}

#[cfg(test)]
mod tests {
    use super::{extreme, power_of_ten};
    use crate::template::value::Value;

    #[test]
    fn powers_of_ten_are_near() {
        for (exponent, power) in [
            (0, 1.0),
            (1, 10.0),
            (2, 100.0),
            (-1, 0.1),
            (400, f64::INFINITY),
        ] {
            assert_eq!(
                power_of_ten(exponent).to_bits(),
                f64::to_bits(power),
                "{exponent}"
            );
        }
        assert_eq!(power_of_ten(-400).to_bits(), 0);
    }

    #[test]
    fn zeros_and_infinities_are_told_apart() {
        let numbers = |a: f64, b: f64| [Value::Float64(a), Value::Float64(b)];
        let max = |a, b| extreme(&numbers(a, b), f64::INFINITY);
        assert!(max(-0.0, 0.0).is_sign_positive() && max(f64::NAN, 1.0).is_nan());
        assert!(max(f64::NAN, f64::INFINITY).is_infinite());
        assert!(extreme(&numbers(0.0, -0.0), f64::NEG_INFINITY).is_sign_negative());
    }
}
