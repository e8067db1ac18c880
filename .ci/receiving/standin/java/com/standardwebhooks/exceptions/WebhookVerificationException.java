package com.standardwebhooks.exceptions;

/** A webhook is not to be trusted. */
public class WebhookVerificationException extends Exception {
    public WebhookVerificationException(String message) {
        super(message);
    }
}
