//! What the frames of a burst count, kept beside them and added to the page once a burst.

use crate::base::AppSlot;
use crate::flow::Side;
use crate::telemetry::{AppCounter, Counter, PageWriter};

/// Counts that are on their way to a page; `settle` brings them there.
#[derive(Debug)]
pub struct Tally {
    spliced: u64,
    /// Datagrams of clients, of origins.
    datagrams: [u64; 2],
    /// The app that the bytes are of: frames of one app often come together.
    app: AppSlot,
    /// Bytes of its clients, of its origins.
    bytes: [u64; 2],
}

impl Tally {
    /// Nothing.
    pub const ZERO: Self = Self { spliced: 0, datagrams: [0; 2], app: AppSlot(0), bytes: [0; 2] };

    /// Counts a segment of a spliced session with `bytes` that had not passed before.
    #[inline(always)]
    pub fn segment(&mut self, (side, app): (Side, AppSlot), bytes: u32, page: &PageWriter) {
        self.spliced += 1;
        self.add((side, app), bytes.into(), page);
    }

    /// Counts a datagram with `bytes` of payload.
    #[inline(always)]
    pub fn datagram(&mut self, (side, app): (Side, AppSlot), bytes: u64, page: &PageWriter) {
        self.datagrams[side.index()] += 1;
        self.add((side, app), bytes, page);
    }

    /// Adds everything to the page, and starts anew.
    #[inline]
    pub fn settle(&mut self, page: &PageWriter) {
        if self.spliced != 0 {
            page.add(Counter::SplicedFrames, self.spliced);
        }
        for (counter, count) in
            [Counter::UdpFromClients, Counter::UdpFromOrigins].into_iter().zip(self.datagrams)
        {
            if count != 0 {
                page.add(counter, count);
            }
        }
        self.settle_bytes(page);
        *self = Self { app: self.app, ..Self::ZERO };
    }

    #[inline(always)]
    fn add(&mut self, (side, app): (Side, AppSlot), bytes: u64, page: &PageWriter) {
        if app != self.app {
            self.settle_bytes(page);
            (self.app, self.bytes) = (app, [0; 2]);
        }
        self.bytes[side.index()] += bytes;
    }

    #[inline(never)]
    fn settle_bytes(&self, page: &PageWriter) {
        for (side, bytes) in [Side::Client, Side::Origin].into_iter().zip(self.bytes) {
            if bytes != 0 {
                page.add_app(self.app, bytes_from(side), bytes);
            }
        }
    }
}

/// The app's counter of payload bytes that `side` sent.
#[inline]
pub const fn bytes_from(side: Side) -> AppCounter {
    match side {
        Side::Client => AppCounter::BytesIn,
        Side::Origin => AppCounter::BytesOut,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::WorkerId;
    use crate::telemetry::{PageSize, page};

    #[test]
    fn frames_of_several_apps_are_counted_as_they_came_and_once() {
        let (writer, reader) = page(WorkerId(0), PageSize { apps: 3, rules: 0 });
        let mut tally = Tally::ZERO;
        let (first, second) = (AppSlot(1), AppSlot(2));
        tally.segment((Side::Client, first), 10, &writer);
        tally.segment((Side::Origin, first), 7, &writer);
        tally.datagram((Side::Client, second), 5, &writer);
        tally.segment((Side::Client, first), 1, &writer);
        tally.settle(&writer);
        tally.settle(&writer);
        assert_eq!(reader.counter(Counter::SplicedFrames), 3);
        assert_eq!(reader.counter(Counter::UdpFromClients), 1);
        assert_eq!(reader.counter(Counter::UdpFromOrigins), 0);
        assert_eq!(reader.app(first, AppCounter::BytesIn), 11);
        assert_eq!(reader.app(first, AppCounter::BytesOut), 7);
        assert_eq!(reader.app(second, AppCounter::BytesIn), 5);
    }
}
