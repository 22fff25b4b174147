//! Decimal fractions of any length, by which sprig's float functions avoid binary rounding.

use num_bigint::BigInt;
use num_bigint::Sign;

use crate::template::budget;
use crate::template::error::Outcome;

/// Digits after the point that a quotient is rounded to.
const QUOTIENT_DIGITS: i64 = 16;

/// `digits * 10^exponent`.
pub(super) struct Decimal {
    digits: BigInt,
    exponent: i64,
}

#[derive(Clone, Copy)]
pub(super) enum Operation {
    Add,
    Subtract,
    Multiply,
    Divide,
}

impl Decimal {
    /// The shortest decimal fraction that gives `number` back.
    pub(super) fn new(number: f64) -> Outcome<Self> {
        if !number.is_finite() {
            let name = match number {
                _ if number.is_nan() => "NaN",
                _ if number.is_sign_negative() => "-Inf",
                _ => "+Inf",
            };
            return Err(format!("Cannot create a Decimal from {name}"));
        }
        let text = format!("{number:e}");
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = format!("{whole}{fraction}").parse().unwrap_or_default();
        let exponent: i64 = exponent.parse().unwrap_or(0);
        let places = i64::try_from(fraction.len()).unwrap_or(0);
        Ok(Self {
            digits,
            exponent: exponent - places,
        })
    }

    pub(super) fn combined(self, operation: Operation, other: &Self) -> Outcome<Self> {
        match operation {
            Operation::Add => self.sum(other, false),
            Operation::Subtract => self.sum(other, true),
            Operation::Multiply => {
                spend(&[&self.digits, &other.digits])?;
                Ok(Self {
                    digits: self.digits * &other.digits,
                    exponent: self.exponent + other.exponent,
                })
            }
            Operation::Divide => self.quotient(other),
        }
    }

    fn sum(self, other: &Self, negated: bool) -> Outcome<Self> {
        let exponent = self.exponent.min(other.exponent);
        let left = self.digits * power_of_ten(self.exponent - exponent)?;
        let right = &other.digits * power_of_ten(other.exponent - exponent)?;
        spend(&[&left, &right])?;
        let digits = if negated { left - right } else { left + right };
        Ok(Self { digits, exponent })
    }

    /// Rounded half away from zero.
    fn quotient(self, other: &Self) -> Outcome<Self> {
        if other.digits.sign() == Sign::NoSign {
            return Err("decimal division by 0".to_owned());
        }
        let shift = self.exponent - other.exponent + QUOTIENT_DIGITS;
        let dividend = self.digits * power_of_ten(shift.max(0))?;
        let divisor = &other.digits * power_of_ten((-shift).max(0))?;
        spend(&[&dividend, &divisor])?;
        let mut digits = &dividend / &divisor;
        let remainder = &dividend % &divisor;
        if (remainder * 2_u8).magnitude() >= divisor.magnitude() {
            let down = dividend.sign() != divisor.sign();
            digits += if down { -1_i8 } else { 1 };
        }
        Ok(Self {
            digits,
            exponent: -QUOTIENT_DIGITS,
        })
    }

    pub(super) fn to_float(&self) -> f64 {
        let text = format!("{}e{}", self.digits, self.exponent);
        text.parse().unwrap_or(f64::NAN)
    }
}

fn power_of_ten(exponent: i64) -> Outcome<BigInt> {
    let exponent = u32::try_from(exponent).unwrap_or(u32::MAX);
    budget::spend(exponent as usize)?;
    Ok(BigInt::from(10_u8).pow(exponent))
}

/// Pays for an operation on numbers of that length.
fn spend(numbers: &[&BigInt]) -> Outcome<()> {
    let words = numbers.iter().map(|number| number.bits() / 64 + 1);
    budget::spend(usize::try_from(words.product::<u64>()).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::{Decimal, Operation};

    fn result(a: f64, operation: Operation, b: f64) -> String {
        let b = Decimal::new(b).unwrap();
        let result = Decimal::new(a).unwrap().combined(operation, &b).unwrap();
        result.to_float().to_string()
    }

    #[test]
    fn sums_are_not_rounded_in_binary() {
        assert_eq!(result(0.1, Operation::Add, 0.2), "0.3");
        assert_eq!(result(1.0, Operation::Subtract, 0.9), "0.1");
        assert_eq!(result(1.1, Operation::Multiply, 1.1), "1.21");
    }

    #[test]
    fn quotients_end_after_sixteen_digits() {
        assert_eq!(result(2.0, Operation::Divide, 3.0), "0.6666666666666667");
        assert_eq!(result(-1.0, Operation::Divide, 3.0), "-0.3333333333333333");
        assert_eq!(result(1e-20, Operation::Divide, 3.0), "0");
    }
}
