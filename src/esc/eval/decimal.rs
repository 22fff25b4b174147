//! Numbers of any precision, compared by their decimal text.

use std::cmp::Ordering;

/// A decimal number: `0.digits × 10^exponent`, digits without zeros at either end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Decimal {
    negative: bool,
    digits: Vec<u8>,
    exponent: i64,
}

impl Decimal {
    /// Reads a JSON number.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (negative, unsigned) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().ok()?),
            None => (unsigned, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all: Vec<u8> = whole.bytes().chain(fraction.bytes()).collect();
        if all.is_empty() || !all.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let leading = all.iter().take_while(|digit| **digit == b'0').count();
        let mut digits = all[leading..].to_vec();
        while digits.last() == Some(&b'0') {
            digits.pop();
        }
        let zero = digits.is_empty();
        let point = i64::try_from(whole.len()).ok()? - i64::try_from(leading).ok()?;
        Some(Self {
            negative: negative && !zero,
            exponent: if zero {
                0
            } else {
                exponent.checked_add(point)?
            },
            digits,
        })
    }

    pub(super) fn compare(&self, other: &Self) -> Ordering {
        let magnitude = || match (self.digits.is_empty(), other.digits.is_empty()) {
            (false, false) => self
                .exponent
                .cmp(&other.exponent)
                .then_with(|| self.digits.cmp(&other.digits)),
            (left_zero, right_zero) => right_zero.cmp(&left_zero),
        };
        match (self.negative, other.negative) {
            (false, false) => magnitude(),
            (true, true) => magnitude().reverse(),
            (negative, _) if negative => Ordering::Less,
            _ => Ordering::Greater,
        }
    }

    /// Whether this is a whole multiple of `unit`; `None` if the numbers are too long to tell.
    pub(super) fn is_multiple_of(&self, unit: &Self) -> Option<bool> {
        let scale = |number: &Self| {
            number
                .exponent
                .checked_sub(i64::try_from(number.digits.len()).ok()?)
        };
        let lowest = scale(self)?.min(scale(unit)?);
        let (left, right) = (self.scaled(lowest)?, unit.scaled(lowest)?);
        Some(right != 0 && left % right == 0)
    }

    /// The magnitude in units of `10^scale`.
    fn scaled(&self, scale: i64) -> Option<u128> {
        if self.digits.is_empty() {
            return Some(0);
        }
        let length = i64::try_from(self.digits.len()).ok()?;
        let zeros = u32::try_from(self.exponent - length - scale).ok()?;
        let digits: u128 = str::from_utf8(&self.digits).ok()?.parse().ok()?;
        digits.checked_mul(10_u128.checked_pow(zeros)?)
    }
}

#[cfg(test)]
mod tests {
    use super::Decimal;

    #[test]
    fn decimals_compare_without_rounding() {
        let ordered = [
            "-1e3",
            "-2",
            "-0.5",
            "0",
            "1e-7",
            "0.1",
            "0.10000000000000000001",
            "1",
            "9007199254740992",
            "9007199254740993",
            "1e30",
        ];
        for (index, left) in ordered.iter().enumerate() {
            for (other, right) in ordered.iter().enumerate() {
                let (left, right) = (
                    Decimal::parse(left).unwrap(),
                    Decimal::parse(right).unwrap(),
                );
                assert_eq!(left.compare(&right), index.cmp(&other));
            }
        }
        assert_eq!(Decimal::parse("-0.0"), Decimal::parse("0e5"));
        assert_eq!(Decimal::parse("x"), None);
    }

    #[test]
    fn multiples_are_exact() {
        let multiple = |left, unit| {
            let left: Decimal = Decimal::parse(left).unwrap();
            left.is_multiple_of(&Decimal::parse(unit).unwrap())
        };
        assert_eq!(multiple("0.3", "0.1"), Some(true));
        assert_eq!(multiple("-6", "3"), Some(true));
        assert_eq!(multiple("7", "3"), Some(false));
        assert_eq!(multiple("7", "0"), Some(false));
        assert_eq!(multiple("1e300", "3"), None);
    }
}
