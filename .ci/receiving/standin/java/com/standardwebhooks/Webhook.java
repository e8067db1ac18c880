package com.standardwebhooks;

import com.standardwebhooks.exceptions.WebhookVerificationException;
import java.net.http.HttpHeaders;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.time.Instant;
import java.util.Base64;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

/**
 * Stands in for the official library where Maven's packages can't be downloaded: it verifies what the specification says,
 * and has the methods that the documentation's receiver calls.
 */
public final class Webhook {
    private static final long TOLERANCE_SECONDS = 300;

    private final byte[] key;

    /** Takes a secret: whsec_ and base64. */
    public Webhook(String secret) {
        key = Base64.getDecoder().decode(secret.replaceFirst("^whsec_", ""));
    }

    /** Throws unless one of the signatures is right and the timestamp is recent. */
    public void verify(String body, HttpHeaders headers) throws WebhookVerificationException {
        String id = header(headers, "webhook-id");
        String sent = header(headers, "webhook-timestamp");
        if (Math.abs(Instant.now().getEpochSecond() - seconds(sent)) > TOLERANCE_SECONDS) {
            throw new WebhookVerificationException("webhook-timestamp is too far from now");
        }
        byte[] expected = ("v1," + hmac(id + "." + sent + "." + body)).getBytes(StandardCharsets.UTF_8);
        for (String signature : header(headers, "webhook-signature").split(" ")) {
            if (MessageDigest.isEqual(signature.getBytes(StandardCharsets.UTF_8), expected)) {
                return;
            }
        }
        throw new WebhookVerificationException("no signature is right");
    }

    private static String header(HttpHeaders headers, String name) throws WebhookVerificationException {
        var missing = new WebhookVerificationException(name + " is missing");
        return headers.firstValue(name).orElseThrow(() -> missing);
    }

    private static long seconds(String text) throws WebhookVerificationException {
        try {
            return Long.parseLong(text);
        } catch (NumberFormatException e) {
            throw new WebhookVerificationException("webhook-timestamp is not a number");
        }
    }

    private String hmac(String text) throws WebhookVerificationException {
        try {
            Mac mac = Mac.getInstance("HmacSHA256");
            mac.init(new SecretKeySpec(key, "HmacSHA256"));
            return Base64.getEncoder().encodeToString(mac.doFinal(text.getBytes(StandardCharsets.UTF_8)));
        } catch (GeneralSecurityException e) {
            throw new WebhookVerificationException(e.getMessage());
        }
    }
}
