use super::dictionary::DICTIONARY;

#[test]
fn the_dictionary_is_the_protocols() {
    let (mut a, mut b) = (1_u32, 0_u32);
    for &byte in DICTIONARY {
        a = (a + u32::from(byte)) % 65521;
        b = (b + a) % 65521;
    }
    assert_eq!((DICTIONARY.len(), b << 16 | a), (1423, 0xe3c6_a7c2));
}
