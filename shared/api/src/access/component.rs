//! Requests that PaymentKit's components sign.

use posthorn_domain::{Did, Grant, MAX_EVENT_BYTES};
use posthorn_storage::Credential;

use super::Access;
use super::signature::{Claim, SignatureHeaders, SignedRequest};
use crate::code::Code;
use crate::problem::Problem;
use crate::request::Request;

impl Access {
    /// Returns the grant of the key that signed the request. The key is looked up by the header `x-component-did`, which is
    /// not signed; the signature decides.
    pub(super) async fn component(&self, request: &Request) -> Result<Grant, Problem> {
        let refused = |detail: String| Problem::new(Code::InvalidSignature, detail);
        let header = |name: &str| Ok::<_, Problem>(request.header(name)?.unwrap_or_default().trim());
        let did: Did = header("x-component-did")?
            .parse()
            .map_err(|reason| refused(format!("The header `x-component-did` {reason}.")))?;
        let headers = SignatureHeaders {
            signature: header("x-component-sig")?,
            issued_at: header("x-component-sig-iat")?,
            expires_at: header("x-component-sig-exp")?,
            version: header("x-component-sig-version")?,
        };
        let unknown = || {
            refused(format!(
                "The component signature does not match a valid public key that is registered for {did}. Register the key with \
                 `posthorn keys create --component-public-key`."
            ))
        };
        let now = self.clock.now();
        let (keys, are_fresh) = self.keys_of(&did).await?;
        // Nobody makes this function hash large bodies without a key.
        if keys.is_empty() {
            return Err(unknown());
        }
        request.require_size(MAX_EVENT_BYTES)?;
        let signed = SignedRequest {
            method: request.method(),
            path: request.raw_path(),
            query: request.all_parameters(),
            body: request.bytes(),
            headers,
        };
        let claim = Claim::read(&signed, now.as_seconds()).map_err(refused)?;
        let found = keys.into_iter().find(|(credential, grant)| match credential {
            Credential::Component(key) => grant.is_valid(now) && claim.is_by(&key.public_key),
            Credential::Token(_) => false,
        });
        let (credential, grant) = found.ok_or_else(unknown)?;
        if are_fresh {
            self.note_use(&credential, &grant, now).await;
        }
        Ok(grant)
    }

    /// Returns the keys that are registered under this DID, and whether they were read just now. An unknown DID is never
    /// cached.
    async fn keys_of(&self, did: &Did) -> Result<(Vec<(Credential, Grant)>, bool), Problem> {
        let now = self.clock.now();
        if let Some(keys) = self.components.get(did, now) {
            return Ok((keys, false));
        }
        let keys = self.grants.find_component(did).await?;
        if !keys.is_empty() {
            self.components.put(did.clone(), keys.clone(), now);
        }
        Ok((keys, true))
    }
}
