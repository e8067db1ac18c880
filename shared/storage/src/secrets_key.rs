//! The KMS key that seals endpoints' secrets.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_sdk_kms::Client;
use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::DataKeySpec;
use lru::LruCache;
use posthorn_domain::{Clock, Random, Timestamp};
use zeroize::Zeroizing;

use crate::data_key::{DataKey, Sealed};
use crate::error::StorageError;

/// How long an unwrapped data key stays in memory. So KMS may fail for this long, and a disabled KMS key stays in use
/// for this long.
const KEPT_FOR: Duration = Duration::from_hours(1);
/// Maximum number of data keys in memory; the least recently used are evicted.
const MAX_KEPT: NonZeroUsize = NonZeroUsize::new(100).expect("it is not zero");
/// How long one data key seals everything. A key may seal 2³² texts: 550 a second for this long.
const PERIOD: Duration = Duration::from_hours(24 * 90);
/// The encryption context. `template.yaml` grants use of the key only with it.
const CONTEXT: (&str, &str) = ("posthorn", "endpoint-secrets");

/// A KMS key of the customer's. It wraps data keys; these seal the secrets. A call to KMS for every secret would cost
/// more than everything else, so an unwrapped data key is kept for an hour.
pub struct SecretsKey {
    kms: Client,
    arn: String,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    unwrapped: Mutex<LruCache<Vec<u8>, Arc<Slot>>>,
}

/// One data key. The lock is held during the call to KMS, so many rows that need the same key make one call, and do not
/// wait for other keys.
type Slot = tokio::sync::Mutex<Option<Unwrapped>>;

struct Unwrapped {
    key: Arc<DataKey>,
    until: Timestamp,
}

impl SecretsKey {
    /// Uses the KMS key with this ARN.
    pub fn new(kms: Client, arn: String, clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> Self {
        Self { kms, arn, clock, random, unwrapped: Mutex::new(LruCache::new(MAX_KEPT)) }
    }

    pub(crate) fn arn(&self) -> &str {
        &self.arn
    }

    /// Returns the number of the current period. Each period has its own data key.
    pub(crate) fn period(&self) -> u128 {
        self.clock.now().since(Timestamp::from_millis(0)).as_millis() / PERIOD.as_millis()
    }

    /// Has KMS generate a data key, and returns it wrapped.
    pub(crate) async fn new_data_key(&self) -> Result<Vec<u8>, StorageError> {
        let (name, value) = CONTEXT;
        let answer = self
            .kms
            .generate_data_key_without_plaintext()
            .key_id(&self.arn)
            .key_spec(DataKeySpec::Aes256)
            .encryption_context(name, value)
            .send()
            .await
            .map_err(StorageError::from_call("kms:GenerateDataKeyWithoutPlaintext"))?;
        let wrapped = answer.ciphertext_blob.map(Blob::into_inner);
        wrapped.ok_or_else(|| StorageError::corrupt(&self.arn, "KMS returned no data key"))
    }

    /// Seals a text with a data key. It can be opened only with the same `context`.
    pub(crate) async fn seal(
        &self,
        wrapped: &[u8],
        text: &[u8],
        context: &str,
    ) -> Result<Sealed, StorageError> {
        Ok(self.data_key(wrapped).await?.seal(text, context, self.random.as_ref()))
    }

    /// Opens a text that was sealed with a data key and this `context`.
    pub(crate) async fn open(
        &self,
        wrapped: &[u8],
        sealed: &Sealed,
        context: &str,
    ) -> Result<Vec<u8>, StorageError> {
        let text = self.data_key(wrapped).await?.open(sealed, context);
        text.ok_or_else(|| StorageError::corrupt(context, "it was sealed in another row, or changed since"))
    }

    async fn data_key(&self, wrapped: &[u8]) -> Result<Arc<DataKey>, StorageError> {
        let slot = self.slot(wrapped);
        let mut slot = slot.lock().await;
        let now = self.clock.now();
        if let Some(kept) = slot.as_ref()
            && kept.until > now
        {
            return Ok(Arc::clone(&kept.key));
        }
        let key = Arc::new(self.ask_for(wrapped).await?);
        *slot = Some(Unwrapped { key: Arc::clone(&key), until: now.plus(KEPT_FOR) });
        Ok(key)
    }

    /// Has KMS unwrap a data key. The wrapped key names its KMS key, so the customer may change to another KMS key.
    async fn ask_for(&self, wrapped: &[u8]) -> Result<DataKey, StorageError> {
        let (name, value) = CONTEXT;
        let answer = self
            .kms
            .decrypt()
            .ciphertext_blob(Blob::new(wrapped))
            .encryption_context(name, value)
            .send()
            .await
            .map_err(StorageError::from_call("kms:Decrypt"))?;
        let bytes = Zeroizing::new(answer.plaintext.map(Blob::into_inner).unwrap_or_default());
        DataKey::new(&bytes)
            .ok_or_else(|| StorageError::corrupt(&self.arn, "a data key does not have 32 bytes"))
    }

    fn slot(&self, wrapped: &[u8]) -> Arc<Slot> {
        let mut unwrapped = self.unwrapped.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(unwrapped.get_or_insert_ref(wrapped, Arc::default))
    }
}

impl fmt::Debug for SecretsKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SecretsKey").field(&self.arn).finish()
    }
}
