//! Faults that users of webhook senders have met, each told and held by a test: one file for each.

mod an_event_misses_the_endpoint_that_was_registered_right_before_it;
