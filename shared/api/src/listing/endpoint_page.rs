//! Pages of endpoints.

use std::collections::HashMap;

use posthorn_domain::{Endpoint, EndpointId, EndpointOutline};

use crate::bodies::{EndpointBody, EndpointListBody};
use crate::listing::cursor::EndpointCursor;
use crate::listing::endpoints::EndpointListing;
use crate::listing::room::{PageTooLarge, Room, sized};
use crate::listing::window::Window;

/// Builds a part of a list of endpoints: it says which endpoints to read next, and takes them, until the part is
/// complete or the answer is full.
#[derive(Debug)]
pub struct EndpointPageBuilder {
    listing: EndpointListing,
    count: usize,
    /// The endpoints of this part, in the direction in which the list is read.
    selected: Vec<EndpointOutline>,
    /// The number of selected endpoints that have been read.
    read: usize,
    room: Room,
    is_full: bool,
    list: Vec<EndpointBody>,
    /// Whether there are more after the selected ones.
    has_more: bool,
}

impl EndpointPageBuilder {
    /// The number of endpoints to read at once. Those that do not fit into the answer are read in vain, so it is small.
    pub(crate) const AT_ONCE: usize = 25;

    /// Starts the part that consists of the selected endpoints. `count` is the number of all that match.
    pub(crate) fn new(
        listing: EndpointListing,
        count: usize,
        selected: Vec<EndpointOutline>,
        has_more: bool,
    ) -> Self {
        let (room, list) = (Room::default(), Vec::new());
        Self { listing, count, selected, read: 0, room, is_full: false, list, has_more }
    }

    /// Returns the endpoints to read next; empty if the part is complete.
    pub fn wanted(&self) -> Vec<EndpointId> {
        let rest = if self.is_full { &[] } else { &self.selected[self.read..] };
        rest.iter().take(Self::AT_ONCE).map(|outline| outline.id).collect()
    }

    /// Takes the wanted endpoints, in any order. Those deleted meanwhile are left out.
    pub fn take(&mut self, endpoints: Vec<Endpoint>) -> Result<(), PageTooLarge> {
        let mut endpoints: HashMap<EndpointId, Endpoint> =
            endpoints.into_iter().map(|endpoint| (endpoint.id, endpoint)).collect();
        for id in self.wanted() {
            if let Some(endpoint) = endpoints.remove(&id) {
                let (bytes, entry) = sized(EndpointBody::for_everybody(endpoint));
                if !self.room.take(bytes) {
                    self.is_full = true;
                    let is_numbered = matches!(self.listing.window, Window::Page { .. });
                    let refusal = PageTooLarge { fitting: self.room.fitting() };
                    return if is_numbered { Err(refusal) } else { Ok(()) };
                }
                self.list.push(entry);
            }
            self.read += 1;
        }
        Ok(())
    }

    /// Returns the part of the list.
    pub fn finish(mut self) -> EndpointListBody<EndpointBody> {
        let has_more = self.has_more || self.is_full;
        let last = self.read.checked_sub(1).filter(|_| has_more).map(|n| &self.selected[n]);
        let next_cursor = last.map(|last| EndpointCursor::of(last, self.listing.fields()).to_string());
        if matches!(self.listing.window, Window::Before { .. }) {
            self.list.reverse();
        }
        EndpointListBody { count: self.count, list: self.list, has_more, next_cursor }
    }
}
