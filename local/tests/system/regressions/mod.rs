//! Faults that users of webhook senders have met, each told and held by a test: one file for each.
