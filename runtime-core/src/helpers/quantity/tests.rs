//! Kubernetes' own examples, and what holds for every quantity.

use proptest::prelude::*;

use super::*;

fn quantity(text: &str) -> Quantity {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn canonical_form() {
    for (text, canonical) in [
        ("0", "0"),
        ("0n", "0"),
        ("0.0Ki", "0"),
        ("0e99999999", "0"),
        ("-0", "0"),
        ("+0", "0"),
        ("1", "1"),
        ("+5", "5"),
        ("-5", "-5"),
        ("007", "7"),
        ("1.", "1"),
        (".5", "500m"),
        ("1.5", "1500m"),
        ("1000", "1k"),
        ("1000k", "1M"),
        ("12000", "12k"),
        ("1e3", "1e3"),
        ("1E3", "1e3"),
        ("1E", "1E"),
        ("1e5", "100e3"),
        ("1e+6", "1e6"),
        ("1e-3", "1e-3"),
        ("1.5e0", "1500e-3"),
        ("5e0", "5"),
        ("100m", "100m"),
        ("1000m", "1"),
        ("1500m", "1500m"),
        ("1.1n", "2n"),
        ("-1.1n", "-2n"),
        ("0.1n", "1n"),
        ("1e-10", "1e-9"),
        ("1e-99999", "1e-9"),
        ("0.0000000001", "1n"),
        ("1u", "1u"),
        ("0.5u", "500n"),
        ("1Ki", "1Ki"),
        ("1024Ki", "1Mi"),
        ("1.5Gi", "1536Mi"),
        ("0.5Ki", "512"),
        ("1000Ki", "1000Ki"),
        ("0.1Ki", "102400m"),
        ("1.1Ki", "1126400m"),
        ("1023.5Ki", "1048064"),
        ("-2048Ki", "-2Mi"),
        ("7Ei", "7Ei"),
        ("9E", "9E"),
        ("9223372036854775807", "9223372036854775807"),
        ("9223372036854775807000000000n", "9223372036854775807"),
        ("0.000000000000000000001E", "1m"),
    ] {
        assert_eq!(quantity(text).to_string(), canonical, "{text}");
    }
}

#[test]
fn malformed() {
    for text in [
        "",
        " ",
        "-",
        "+",
        ".",
        "-.",
        "1 ",
        " 1",
        "1.1.M",
        "1+1.0M",
        "0.1mi",
        "0.1am",
        "aoeu",
        ".5i",
        "1i",
        "-3.01i",
        "-3.01e-",
        "+.1 ",
        "1K",
        "1ki",
        "1KI",
        "1kb",
        "1e",
        "1e3.5",
        "1e3M",
        "--1",
        "+-1",
        "1_000",
        "0x10",
        "١",
        "1e99999999999999999999",
        "NaN",
        "inf",
    ] {
        let error = text.parse::<Quantity>().unwrap_err();
        assert!(matches!(error, QuantityError::Malformed { .. }), "{text:?}: {error}");
    }
    assert_eq!(
        "1K".parse::<Quantity>().unwrap_err().to_string(),
        "malformed quantity \"1K\", expected a number with an optional suffix such as 250m, 1.5 or 64Mi"
    );
}

#[test]
fn overflow() {
    for text in [
        "9223372036854775808",
        "-9223372036854775808",
        "8Ei",
        "10E",
        "1e19",
        "1e999999999",
        "9223372036854775807.1",
        "99999999999999999999999999999999999999999999999999",
        "99999999999999999999999999999999999999999999999999n",
    ] {
        assert_eq!(text.parse::<Quantity>(), Err(QuantityError::Overflow), "{text}");
    }
}

#[test]
fn whole_bytes_and_milli_round_up() {
    for (text, value, milli) in [
        ("0", 0, 0),
        ("1", 1, 1000),
        ("1.5", 2, 1500),
        ("100m", 1, 100),
        ("1n", 1, 1),
        ("0.0011", 1, 2),
        ("1Ki", 1024, 1_024_000),
        ("1.5Ki", 1536, 1_536_000),
        ("64Mi", 67_108_864, 67_108_864_000),
    ] {
        assert_eq!(quantity(text).to_bytes(), Ok(value), "{text}");
        assert_eq!(quantity(text).value(), value as i64, "{text}");
        assert_eq!(quantity(text).to_milli(), Ok(milli), "{text}");
    }
    assert_eq!(quantity("-1.5").value(), -2);
    assert_eq!(quantity("-1n").to_bytes().unwrap_err().to_string(), "the quantity -1n is negative");
    assert!(matches!(quantity("-1").to_milli(), Err(QuantityError::Negative { .. })));
    assert_eq!(quantity("9E").to_milli(), Err(QuantityError::Overflow));
}

#[test]
fn equality_is_that_of_the_number() {
    assert_eq!(quantity("1Ki"), quantity("1024"));
    assert_eq!(quantity("1"), quantity("1000m"));
    assert!(quantity("1M") < quantity("1Mi"));
    assert_eq!(Quantity::from_bytes(64 << 20).unwrap().to_string(), "64Mi");
    assert_eq!(Quantity::from_milli(250).to_string(), "250m");
    assert_eq!(Quantity::from_bytes(u64::MAX), Err(QuantityError::Overflow));
}

#[test]
fn serde_takes_text_and_numbers() {
    let read = |json: &str| serde_json::from_str::<Quantity>(json);
    assert_eq!(read("\"64Mi\"").unwrap(), quantity("64Mi"));
    assert_eq!(read("2").unwrap(), quantity("2"));
    assert_eq!(read("-2").unwrap(), quantity("-2"));
    assert_eq!(read("0.5").unwrap(), quantity("500m"));
    assert!(read("1e300").is_err());
    assert!(read("true").is_err());
    assert_eq!(serde_json::to_string(&quantity("1.5Gi")).unwrap(), "\"1536Mi\"");
}

proptest! {
    #[test]
    fn display_reads_back_the_same(text in "[+-]?[0-9]{0,12}(\\.[0-9]{0,12})?(|[numkMGTPE]|[KMGTPE]i|[eE][+-]?[0-9]{1,2})") {
        if let Ok(read) = text.parse::<Quantity>() {
            let shown = read.to_string();
            let again = quantity(&shown);
            prop_assert_eq!(again, read);
            prop_assert_eq!(again.to_string(), shown);
        }
    }

    #[test]
    fn whole_numbers_are_kept(number: i64) {
        prop_assume!(number != i64::MIN);
        prop_assert_eq!(quantity(&number.to_string()).value(), number);
    }

    #[test]
    fn an_exponent_is_a_suffix(number in 0..1_000_000u64, power in 0..4usize) {
        let exponent = quantity(&format!("{number}e{}", 3 * power));
        prop_assert_eq!(exponent, quantity(&format!("{number}{}", ["", "k", "M", "G"][power])));
    }

    #[test]
    fn fractions_are_exact_or_rounded_up(whole in 0..1u64 << 20, fraction in "[0-9]{1,30}") {
        // A fraction of a Ti, by way of wide integers.
        let digits = fraction.len().min(20);
        let unit = 10u128.pow(digits as u32);
        let part = fraction[..digits].parse::<u128>().unwrap() << 40;
        let least = (u128::from(whole) << 40) + part / unit;
        let value = quantity(&format!("{whole}.{fraction}Ti")).value() as u128;
        prop_assert!(value == least || value == least + 1, "{} {}", value, least);
    }

    #[test]
    fn nothing_panics(text in any::<String>()) {
        let _ = text.parse::<Quantity>();
    }
}
