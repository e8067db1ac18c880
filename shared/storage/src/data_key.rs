//! An AES-256-GCM key, and the texts sealed with it.

use posthorn_domain::Random;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

/// A data key. It has no `Debug`, and leaves the process only in the form that KMS has wrapped.
pub(crate) struct DataKey(LessSafeKey);

/// A text that a data key has sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sealed {
    /// Drawn at random for this text only.
    pub(crate) nonce: Vec<u8>,
    /// The encrypted text and its tag.
    pub(crate) ciphertext: Vec<u8>,
}

impl DataKey {
    /// Makes a key of these bytes. Returns `None` unless there are 32.
    pub(crate) fn new(bytes: &[u8]) -> Option<Self> {
        UnboundKey::new(&AES_256_GCM, bytes).ok().map(LessSafeKey::new).map(Self)
    }

    /// Seals a text. It can be opened only with the same `context`. Nonces are random, so no more than 2³² texts may be
    /// sealed with one key ([NIST SP 800-38D
    /// §8.3](https://nvlpubs.nist.gov/nistpubs/Legacy/SP/nistspecialpublication800-38d.pdf)).
    pub(crate) fn seal(&self, text: &[u8], context: &str, random: &dyn Random) -> Sealed {
        let mut nonce = [0; NONCE_LEN];
        random.fill(&mut nonce);
        let mut ciphertext = text.to_vec();
        let aad = Aad::from(context.as_bytes());
        let sealed =
            self.0.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut ciphertext);
        sealed.expect("the text is shorter than 64 GiB");
        Sealed { nonce: nonce.to_vec(), ciphertext }
    }

    /// Returns the text; `None` if it was sealed with another key or with another context, or was changed since.
    pub(crate) fn open(&self, sealed: &Sealed, context: &str) -> Option<Vec<u8>> {
        let nonce = Nonce::try_assume_unique_for_key(&sealed.nonce).ok()?;
        let mut text = sealed.ciphertext.clone();
        let length = self.0.open_in_place(nonce, Aad::from(context.as_bytes()), &mut text).ok()?.len();
        text.truncate(length);
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use posthorn_domain::testing::Same;

    use super::*;

    fn key(byte: u8) -> DataKey {
        DataKey::new(&[byte; 32]).unwrap()
    }

    #[test]
    fn a_text_comes_back_and_cannot_be_read_meanwhile() {
        let sealed = key(1).seal(b"sesame", "here", &Same::byte(7));
        assert_eq!(key(1).open(&sealed, "here").unwrap(), b"sesame");
        assert_eq!((sealed.nonce.len(), sealed.ciphertext.len()), (12, 6 + 16));
        assert_ne!(sealed, key(1).seal(b"sesame", "here", &Same::byte(8)), "a nonce makes a difference");
    }

    #[test]
    fn it_opens_with_its_key_and_context_as_it_was_sealed_and_not_otherwise() {
        let sealed = key(1).seal(b"sesame", "here", &Same::byte(7));
        assert!(key(2).open(&sealed, "here").is_none());
        assert!(key(1).open(&sealed, "there").is_none());
        for byte in 0..sealed.ciphertext.len() {
            let mut changed = sealed.clone();
            changed.ciphertext[byte] ^= 1;
            assert!(key(1).open(&changed, "here").is_none(), "byte {byte} was changed");
        }
        let no_nonce = Sealed { nonce: Vec::new(), ..sealed };
        assert!(key(1).open(&no_nonce, "here").is_none());
        assert!(DataKey::new(&[1; 16]).is_none());
    }
}
