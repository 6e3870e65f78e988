//! Reading a point strictly: what dalek's `decompress` lets through, and this rule does not,
//! is refused on the bytes.

use curve25519_dalek::EdwardsPoint;
use curve25519_dalek::edwards::CompressedEdwardsY;

/// The y coordinates (little-endian) of the eight points of small order. Whatever sign bit
/// stands beside one, the encoding is of small order or, for x = 0, not canonical.
const SMALL_ORDER_Y: [[u8; 32]; 5] = [
    y_of(0x00, 0x00, 0x00),
    y_of(0x01, 0x00, 0x00),
    y_of(0xec, 0xff, 0x7f),
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a,
        0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
    ],
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5,
        0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
    ],
];

/// The point behind a canonical encoding that is not of small order.
pub fn read(bytes: &[u8; 32]) -> Option<EdwardsPoint> {
    let mut y = *bytes;
    y[31] &= 0x7f;
    if !is_below_p(&y) || SMALL_ORDER_Y.contains(&y) {
        return None;
    }
    CompressedEdwardsY(*bytes).decompress()
}

/// The point behind an acceptable public key: as [`read`], and free of torsion. Costs as much
/// as verifying a signature, so its result is kept.
pub fn read_key(bytes: &[u8; 32]) -> Option<EdwardsPoint> {
    read(bytes).filter(EdwardsPoint::is_torsion_free)
}

/// Whether the little-endian number is below p = 2^255 − 19, the sign bit being clear.
fn is_below_p(y: &[u8; 32]) -> bool {
    y[31] != 0x7f || y[0] < 0xed || y[1..31].iter().any(|&byte| byte != 0xff)
}

const fn y_of(low: u8, middle: u8, high: u8) -> [u8; 32] {
    let mut y = [middle; 32];
    y[0] = low;
    y[31] = high;
    y
}

#[cfg(test)]
mod tests {
    use super::*;
    use curve25519_dalek::constants::{ED25519_BASEPOINT_COMPRESSED, EIGHT_TORSION};

    #[test]
    fn every_point_of_small_order_is_refused_and_no_y_is_listed_for_nothing() {
        let mut listed = SMALL_ORDER_Y.to_vec();
        for point in EIGHT_TORSION {
            let bytes = point.compress().0;
            assert_eq!(read(&bytes), None, "{}", hex::encode(bytes));
            listed.retain(|y| y[..31] != bytes[..31] || y[31] != bytes[31] & 0x7f);
        }
        assert!(listed.is_empty(), "{listed:02x?}");
    }

    #[test]
    fn y_is_canonical_up_to_p_minus_one() {
        let mut refused = Vec::new();
        for low in 0xe0..=0xffu8 {
            if !is_below_p(&y_of(low, 0xff, 0x7f)) {
                refused.push(low);
            }
        }
        assert_eq!(refused, (0xed..=0xff).collect::<Vec<_>>());
        assert!(is_below_p(&y_of(0xff, 0xff, 0x7e)));
        assert!(is_below_p(&y_of(0xff, 0xfe, 0x7f)));
    }

    #[test]
    fn the_base_point_is_a_key() {
        assert!(read_key(&ED25519_BASEPOINT_COMPRESSED.0).is_some());
    }
}
