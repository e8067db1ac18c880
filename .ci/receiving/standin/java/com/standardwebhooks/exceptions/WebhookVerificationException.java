package com.standardwebhooks.exceptions;

/** A webhook is not authentic. */
public class WebhookVerificationException extends Exception {
    public WebhookVerificationException(String message) {
        super(message);
    }
}
