//! Pages of lists whose entries come one by one, such as events and attempts, newest first, which grow at the top while
//! they are read.

use posthorn_domain::TimeOrder;

use crate::bodies::CursorListBody;
use crate::listing::room::{PageTooLarge, Room};
use crate::listing::window::Window;

/// The most events that are scanned for one page, whether they match or not.
pub const MAX_LOOKED_AT: usize = 2_000;

/// Builds a page from entries that come one by one, in the direction in which the list is read.
#[derive(Debug)]
pub struct LogPageBuilder<Id, T> {
    window: Window<Id>,
    look_at_most: usize,
    skipped: usize,
    looked_at: usize,
    room: Room,
    overflows: bool,
    list: Vec<T>,
    last: Option<Id>,
    has_more: bool,
}

impl<Id, T> LogPageBuilder<Id, T> {
    /// Returns an empty page for this window, which scans at most `look_at_most` events.
    pub fn new(window: Window<Id>, look_at_most: usize) -> Self {
        Self {
            window,
            look_at_most,
            skipped: 0,
            looked_at: 0,
            room: Room::default(),
            overflows: false,
            list: Vec::new(),
            last: None,
            has_more: false,
        }
    }

    /// Returns whether the page needs no more entries.
    pub fn is_complete(&self) -> bool {
        self.has_more
    }

    /// Returns whether the next entry would be shown, unless it is too large. So data that only shown entries need is
    /// read only for them.
    pub fn shows_next(&self) -> bool {
        !self.is_complete() && self.skipped >= self.window.skip() && self.list.len() < self.window.limit()
    }

    /// Ends the page, although there are more entries.
    pub fn end(&mut self) {
        self.has_more = true;
    }

    /// Passes an event that does not match, or whose entries have all been offered.
    pub fn pass(&mut self, id: Id) {
        if self.is_complete() {
            return;
        }
        self.last = Some(id);
        self.looked_at += 1;
        self.has_more = self.looked_at >= self.look_at_most;
    }

    /// Takes an entry, or finds that the page is full without it. `entry` makes the entry and returns its size in the
    /// answer, in bytes. It is called only if the page may show the entry.
    pub fn offer(&mut self, id: Id, entry: impl FnOnce() -> (usize, T)) {
        if self.is_complete() {
            return;
        }
        if self.skipped < self.window.skip() {
            self.last = Some(id);
            self.skipped += 1;
            return;
        }
        if self.list.len() >= self.window.limit() {
            self.has_more = true;
            return;
        }
        let (bytes, entry) = entry();
        if self.room.take(bytes) {
            self.last = Some(id);
            self.list.push(entry);
        } else {
            self.overflows = true;
            self.has_more = true;
        }
    }

    /// Returns the page. Errors if a numbered page is too large for an answer; any other ends early.
    pub fn finish(mut self) -> Result<CursorListBody<Id, T>, PageTooLarge> {
        if self.overflows && matches!(self.window, Window::Page { .. }) {
            return Err(PageTooLarge { fitting: self.room.fitting() });
        }
        if self.window.time_order() == TimeOrder::OldestFirst {
            self.list.reverse();
        }
        let next_cursor = self.last.filter(|_| self.has_more);
        Ok(CursorListBody { list: self.list, has_more: self.has_more, next_cursor })
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::{btree_set, vec};
    use proptest::prelude::*;

    use super::*;

    /// Returns a page of a list of numbers, of which only the even ones match.
    fn page(list: &[u32], window: Window<u32>) -> CursorListBody<u32, u32> {
        let mut builder = LogPageBuilder::new(window, MAX_LOOKED_AT);
        let beyond = |id: &&u32| match window {
            Window::First { .. } | Window::Page { .. } => true,
            Window::After { id: cursor, .. } => **id < cursor,
            Window::Before { id: cursor, .. } => **id > cursor,
        };
        let mut ids: Vec<u32> = list.iter().filter(beyond).copied().collect();
        ids.sort_unstable();
        if window.time_order() == TimeOrder::NewestFirst {
            ids.reverse();
        }
        for id in ids {
            if builder.is_complete() {
                break;
            }
            if id % 2 == 0 {
                builder.offer(id, || (1, id));
            }
            builder.pass(id);
        }
        builder.finish().unwrap()
    }

    proptest! {
        #[test]
        fn pages_show_each_entry_once_however_many_arrive_meanwhile(
            mut ids in btree_set(0_u32..10_000, 0..60),
            arriving in vec(vec(10_000_u32..20_000, 0..5), 0..40),
            limit in 1_usize..9,
        ) {
            let expected: Vec<u32> = ids.iter().rev().filter(|id| **id % 2 == 0).copied().collect();
            let (mut window, mut seen) = (Window::First { limit }, Vec::new());
            let mut arriving = arriving.into_iter();
            loop {
                let list: Vec<u32> = ids.iter().copied().collect();
                let page = page(&list, window);
                prop_assert!(page.list.len() <= limit);
                seen.extend(page.list);
                let Some(next) = page.next_cursor else { break };
                window = Window::After { id: next, limit };
                ids.extend(arriving.next().unwrap_or_default());
            }
            prop_assert_eq!(seen, expected);
        }

        #[test]
        fn going_up_from_the_oldest_shows_the_same_as_going_down(
            ids in btree_set(1_u32..10_000, 0..60), limit in 1_usize..9,
        ) {
            let list: Vec<u32> = ids.iter().copied().collect();
            let (mut window, mut seen) = (Window::Before { id: 0, limit }, Vec::new());
            loop {
                let page = page(&list, window);
                seen.splice(0..0, page.list);
                let Some(next) = page.next_cursor else { break };
                window = Window::Before { id: next, limit };
            }
            let expected: Vec<u32> = ids.iter().rev().filter(|id| **id % 2 == 0).copied().collect();
            prop_assert_eq!(seen, expected);
        }
    }

    #[test]
    fn a_numbered_page_leaves_out_those_before_it() {
        let list: Vec<u32> = (0..20).collect();
        assert_eq!(page(&list, Window::Page { number: 2, size: 3 }).list, [12, 10, 8]);
        assert_eq!(page(&list, Window::Page { number: 4, size: 3 }).list, [0]);
        assert!(!page(&list, Window::Page { number: 4, size: 3 }).has_more);
    }

    #[test]
    fn a_page_ends_where_it_becomes_too_large_or_the_search_too_long() {
        let offered = |window| {
            let mut builder = LogPageBuilder::new(window, MAX_LOOKED_AT);
            for id in 0..5 {
                builder.offer(id, || (1_500_000, id));
            }
            builder.finish()
        };
        let window = Window::First { limit: 100 };
        let page = offered(window).unwrap();
        assert_eq!((page.list, page.has_more, page.next_cursor), (vec![0, 1, 2, 3], true, Some(3)));
        let numbered = |number, size| offered(Window::Page { number, size });
        assert_eq!(numbered(1, 100), Err(PageTooLarge { fitting: 4 }));
        assert_eq!(numbered(1, 4).unwrap().list.len(), 4);
        assert_eq!(numbered(2, 4).unwrap().list, [4]);

        let mut builder: LogPageBuilder<usize, ()> = LogPageBuilder::new(window, MAX_LOOKED_AT);
        let looked_at = (0..).take_while(|id| {
            builder.pass(*id);
            !builder.is_complete()
        });
        assert_eq!(looked_at.count() + 1, MAX_LOOKED_AT);
        let page = builder.finish().unwrap();
        assert_eq!((page.list.len(), page.next_cursor), (0, Some(MAX_LOOKED_AT - 1)));
    }
}
