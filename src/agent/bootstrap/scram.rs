//! PostgreSQL's SCRAM-SHA-256 verifiers, made where the password is.
//!
//! The server and the pooler then never see a password, and a login costs them
//! less. Source: RFC 5802 and 7677, and the server's documentation of
//! `pg_authid.rolpassword`.

use std::num::NonZeroU32;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::{digest, hmac, pbkdf2};

/// PostgreSQL's own default.
const ITERATIONS: NonZeroU32 = NonZeroU32::new(4096).unwrap();
pub const SALT_BYTES: usize = 16;

/// `SCRAM-SHA-256$4096:salt$StoredKey:ServerKey`.
///
/// The password must be printable ASCII: others are normalised by SASLprep,
/// which generated passwords do not need.
pub fn verifier(password: &str, salt: &[u8]) -> Option<String> {
    if !password.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        return None;
    }
    let mut salted = [0; digest::SHA256_OUTPUT_LEN];
    pbkdf2::derive(
        pbkdf2::PBKDF2_HMAC_SHA256,
        ITERATIONS,
        salt,
        password.as_bytes(),
        &mut salted,
    );
    let salted = hmac::Key::new(hmac::HMAC_SHA256, &salted);
    let client_key = hmac::sign(&salted, b"Client Key");
    let stored_key = digest::digest(&digest::SHA256, client_key.as_ref());
    let server_key = hmac::sign(&salted, b"Server Key");
    Some(format!(
        "SCRAM-SHA-256${ITERATIONS}:{}${}:{}",
        STANDARD.encode(salt),
        STANDARD.encode(stored_key.as_ref()),
        STANDARD.encode(server_key.as_ref())
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The exchange of RFC 7677 section 3: user "user", password "pencil". The
    /// proof and the signature in it follow from these two keys.
    #[test]
    fn the_verifier_of_the_standard_s_example_proves_its_client_and_signs_its_server() {
        let salt = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        let text = verifier("pencil", &salt).unwrap();
        let keys = text
            .strip_prefix("SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$")
            .unwrap();
        let (stored, server) = keys.split_once(':').unwrap();
        let (stored, server) = (
            STANDARD.decode(stored).unwrap(),
            STANDARD.decode(server).unwrap(),
        );

        let exchange = "n=user,r=rOprNGfwEbeRWgbNEkqO,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                        s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
        let signed = hmac::sign(
            &hmac::Key::new(hmac::HMAC_SHA256, &stored),
            exchange.as_bytes(),
        );
        let proof = STANDARD
            .decode("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
            .unwrap();
        let client_key: Vec<u8> = proof
            .iter()
            .zip(signed.as_ref())
            .map(|(left, right)| left ^ right)
            .collect();
        assert_eq!(
            digest::digest(&digest::SHA256, &client_key).as_ref(),
            stored
        );
        let signature = hmac::sign(
            &hmac::Key::new(hmac::HMAC_SHA256, &server),
            exchange.as_bytes(),
        );
        assert_eq!(
            STANDARD.encode(signature.as_ref()),
            "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
        );
    }

    #[test]
    fn a_password_that_would_need_normalising_is_refused() {
        assert_eq!(verifier("pässword", &[0; SALT_BYTES]), None);
    }
}
