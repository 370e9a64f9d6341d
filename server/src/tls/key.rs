//! Keys on elliptic curves that leave out their public part.
//!
//! RFC 5915 has that part as optional, and Java's `keytool` does not write it; the cryptography here wants it. It stands
//! in the certificate as well, so it is taken from there, and whoever loads the key finds out whether the two belong
//! together. DER has one way to write each value, so such a key (RFC 5208) is told by how it begins, and so is a
//! certificate's part with a key of that curve (RFC 5480).

use rustls::pki_types::{PrivateKeyDer, PrivateSec1KeyDer};

/// How keys on a curve are written.
struct Curve {
    /// What comes before the private part in a key without the public one.
    private: &'static [u8],
    /// What comes before the point in a public key.
    public: &'static [u8],
    /// What comes before each of the two parts in a whole key, as RFC 5915 has it.
    whole: [&'static [u8]; 2],
    /// Bytes of the private part.
    private_bytes: usize,
}

const P256: Curve = Curve {
    private: &[
        0x30, 0x41, 0x02, 0x01, 0x00, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02,
        0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x04, 0x27, 0x30, 0x25,
        0x02, 0x01, 0x01, 0x04, 0x20,
    ],
    public: &[
        0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08,
        0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
    ],
    whole: [
        &[0x30, 0x6b, 0x02, 0x01, 0x01, 0x04, 0x20],
        &[0xa1, 0x44, 0x03, 0x42, 0x00],
    ],
    private_bytes: 32,
};

const P384: Curve = Curve {
    private: &[
        0x30, 0x4e, 0x02, 0x01, 0x00, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02,
        0x01, 0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22, 0x04, 0x37, 0x30, 0x35, 0x02, 0x01, 0x01,
        0x04, 0x30,
    ],
    public: &[
        0x30, 0x76, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05,
        0x2b, 0x81, 0x04, 0x00, 0x22, 0x03, 0x62, 0x00,
    ],
    whole: [
        &[0x30, 0x81, 0x9b, 0x02, 0x01, 0x01, 0x04, 0x30],
        &[0xa1, 0x64, 0x03, 0x62, 0x00],
    ],
    private_bytes: 48,
};

/// A key without its public part.
pub(super) struct Incomplete<'a> {
    curve: &'static Curve,
    private: &'a [u8],
}

impl<'a> Incomplete<'a> {
    /// The key, if it is one of these.
    pub(super) fn of(key: &'a PrivateKeyDer<'_>) -> Option<Self> {
        let PrivateKeyDer::Pkcs8(key) = key else {
            return None;
        };
        let mut curves = [&P256, &P384].into_iter();
        curves.find_map(|curve| {
            let private = key.secret_pkcs8_der().strip_prefix(curve.private)?;
            (private.len() == curve.private_bytes).then_some(Self { curve, private })
        })
    }

    /// The whole key, with the public part of a certificate; none if that is of another kind.
    pub(super) fn with(&self, public_key: &[u8]) -> Option<PrivateKeyDer<'static>> {
        let point = public_key.strip_prefix(self.curve.public)?;
        let [beginning, between] = self.curve.whole;
        let whole = [beginning, self.private, between, point].concat();
        Some(PrivateSec1KeyDer::from(whole).into())
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PublicKeyData};
    use rustls::crypto::ring;
    use rustls::pki_types::PrivatePkcs8KeyDer;

    use super::*;

    /// A key as `keytool` writes it: a whole one without its public part, which makes all lengths shorter.
    fn without_public(key: &KeyPair, curve: &Curve) -> PrivateKeyDer<'static> {
        let whole = key.serialize_der();
        let inner = curve.whole[0];
        let at = whole.windows(inner.len()).position(|part| part == inner);
        let private = &whole[at.unwrap() + inner.len()..][..curve.private_bytes];
        PrivatePkcs8KeyDer::from([curve.private, private].concat()).into()
    }

    #[test]
    fn the_public_part_of_the_certificate_makes_a_key_whole() {
        for (algorithm, curve) in [
            (&PKCS_ECDSA_P256_SHA256, &P256),
            (&PKCS_ECDSA_P384_SHA384, &P384),
        ] {
            let pair = KeyPair::generate_for(algorithm).unwrap();
            let other = KeyPair::generate_for(algorithm).unwrap();
            let key = without_public(&pair, curve);
            let load = ring::sign::any_supported_type;
            assert!(load(&key).is_err(), "it is needed");
            let incomplete = Incomplete::of(&key).unwrap();
            let public = pair.subject_public_key_info();
            let loaded = load(&incomplete.with(&public).unwrap()).unwrap();
            assert_eq!(loaded.public_key().unwrap().as_ref(), public);
            let public = other.subject_public_key_info();
            assert!(load(&incomplete.with(&public).unwrap()).is_err());
        }
    }

    #[test]
    fn whole_keys_and_those_of_other_curves_are_left_alone() {
        let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let whole = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(pair.serialize_der()));
        assert!(Incomplete::of(&whole).is_none());
        let key = without_public(&pair, &P256);
        let other = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap();
        let other = other.subject_public_key_info();
        assert!(Incomplete::of(&key).unwrap().with(&other).is_none());
    }
}
