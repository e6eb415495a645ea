//! What is known of origins, brought together: the answers of name servers go to the compiler, and from there to the
//! workers.

use super::life::Control;
use crate::base::Instant;
use crate::table::OriginBook;

impl Control {
    /// Asks, hears, and publishes what changed; to be called at every tick. A process that leaves asks nobody.
    pub(super) fn tend_origins(&mut self, now: Instant) {
        if self.is_leaving() {
            return;
        }
        self.origins_moved |= self.resolver.turn(now);
        if !self.origins_moved {
            return;
        }
        let resolver = &self.resolver;
        let learn = |book: &OriginBook| OriginBook { answers: resolver.answers(), ..book.clone() };
        self.origins_moved = !self.reloads.reorigin(learn, &mut self.fleet, now);
    }
}
