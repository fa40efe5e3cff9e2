//! Decimal digits of any number to billionths, exactly or rounded up.

use super::NANOS_PER_UNIT;

/// `whole.fraction` times `factor`, rounded up; `None` when it can't be in range.
pub(super) fn scaled(whole: &str, fraction: &str, factor: i128) -> Option<i128> {
    let whole: i128 = match whole.trim_start_matches('0') {
        "" => 0,
        digits => digits.parse().ok()?,
    };
    // From the last digit to the first; dropping the remainder on the way does not change the floor of the sum.
    let (mut part, mut exact) = (0, true);
    for digit in fraction.bytes().rev() {
        let sum = i128::from(digit - b'0') * factor + part;
        part = sum / 10;
        exact &= sum % 10 == 0;
    }
    whole.checked_mul(factor)?.checked_add(part + i128::from(!exact))
}

/// `whole.fraction` times 10^`exponent` in billionths, rounded up; `None` when it can't be in range.
pub(super) fn shifted(whole: &str, fraction: &str, exponent: i64) -> Option<i128> {
    let digits = format!("{whole}{fraction}");
    let significant = digits.trim_start_matches('0');
    if significant.is_empty() {
        return Some(0);
    }
    // The number is 0.significant times 10^point.
    let zeros = digits.len() - significant.len();
    let point = exponent.saturating_add(whole.len() as i64).saturating_sub(zeros as i64);
    match usize::try_from(point) {
        Ok(20..) => None,
        Ok(point) if point >= significant.len() => {
            scaled(&format!("{significant:0<point$}"), "", NANOS_PER_UNIT)
        }
        Ok(point) => {
            let (whole, fraction) = significant.split_at(point);
            scaled(whole, fraction, NANOS_PER_UNIT)
        }
        // Below a billionth, yet not nothing.
        Err(_) if point < -20 => Some(1),
        Err(_) => {
            let zeros = point.unsigned_abs() as usize;
            scaled("", &format!("{}{significant}", "0".repeat(zeros)), NANOS_PER_UNIT)
        }
    }
}
