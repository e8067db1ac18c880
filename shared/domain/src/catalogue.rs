//! The event types that `PaymentKit` publishes.

/// The catalogue of well-known event types, sorted. Types outside it are just as legal.
pub fn event_types() -> impl Iterator<Item = &'static str> {
    include_str!("event_types.txt").lines()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::EventType;

    #[test]
    fn the_catalogue_holds_well_formed_types_sorted_and_once_each() {
        let types: Vec<EventType> = event_types().map(|name| name.parse().unwrap()).collect();
        assert!(types.windows(2).all(|pair| pair[0] < pair[1]));
        assert!(types.contains(&"checkout.session.nft_minted".parse().unwrap()));
    }
}
