//! The key pair of a PaymentKit component.

use anyhow::{Context as _, Result};
use posthorn_domain::{Did, PublicKey, Random as _};
use posthorn_runtime::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair as _};

/// A key pair. Its secret half is in the environment.
pub(super) struct Component {
    pub(super) public_key: PublicKey,
    pub(super) did: Did,
    /// The lines of an environment in which PaymentKit's SDK uses it.
    pub(super) environment: String,
}

impl Component {
    /// Returns a new key pair.
    pub(super) fn new() -> Result<Self> {
        let mut seed = [0; 32];
        SystemRandom.fill(&mut seed);
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).ok().context("cannot create a key pair")?;
        let public_key = PublicKey::from(<[u8; 32]>::try_from(pair.public_key().as_ref())?);
        let did = Did::of(&public_key);
        let (seed, public) = (hex::encode(seed), hex::encode(public_key.as_bytes()));
        let environment = format!(
            "BLOCKLET_APP_SK=0x{seed}{public}\nBLOCKLET_COMPONENT_DID={did}\nBLOCKLET_HOOK_NAME=none"
        );
        Ok(Self { public_key, did, environment })
    }
}
