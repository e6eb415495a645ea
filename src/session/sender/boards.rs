//! The scoreboards of a worker, lent to legs that lose.
//!
//! When all are lent, the one that was lent first is taken back for the leg that needs one now: peers who open gaps and never
//! fill them keep nothing from others. A leg whose board is gone finds that out by its `BoardId`, which is good for one loan.

use super::board::Board;

/// No place.
const NOWHERE: u16 = u16::MAX;

/// The boards of a worker.
pub struct Boards {
    boards: Box<[Board]>,
    loans: Box<[Loan]>,
    free: Vec<u16>,
    /// The places that were lent first and last of those that are lent.
    first: u16,
    last: u16,
    reclaimed: u64,
}

/// Of one place: how often it was lent, and its neighbours in the order of lending.
#[derive(Clone, Copy, Debug)]
struct Loan {
    number: u32,
    earlier: u16,
    later: u16,
}

/// A board for one loan; `NONE`: no board.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BoardId {
    place: u16,
    number: u32,
}

impl BoardId {
    /// No board.
    pub const NONE: Self = Self { place: NOWHERE, number: 0 };
}

impl Boards {
    /// Room for `count` legs that lose at once. Allocates.
    pub fn new(count: usize) -> Self {
        let count = count.min(usize::from(NOWHERE));
        let loan = Loan { number: 0, earlier: NOWHERE, later: NOWHERE };
        Self {
            boards: vec![Board::new(); count].into_boxed_slice(),
            loans: vec![loan; count].into_boxed_slice(),
            free: (0..count as u16).rev().collect(),
            first: NOWHERE,
            last: NOWHERE,
            reclaimed: 0,
        }
    }

    /// An empty board, taken from who has had one for longest where all are lent.
    pub fn take(&mut self) -> BoardId {
        if self.free.is_empty() && self.first != NOWHERE {
            self.reclaimed += 1;
            self.recall(self.first);
        }
        let Some(place) = self.free.pop() else { return BoardId::NONE };
        let last = std::mem::replace(&mut self.last, place);
        let loan = &mut self.loans[usize::from(place)];
        (loan.number, loan.earlier, loan.later) = (loan.number.wrapping_add(1), last, NOWHERE);
        let number = loan.number;
        match self.loans.get_mut(usize::from(last)) {
            Some(before) => before.later = place,
            None => self.first = place,
        }
        self.boards[usize::from(place)].clear();
        BoardId { place, number }
    }

    /// Gives a board back, if it is still lent to whoever has this.
    pub fn give_back(&mut self, id: &mut BoardId) {
        if self.find(*id).is_some() {
            self.recall(id.place);
        }
        *id = BoardId::NONE;
    }

    /// The board of a leg that has one.
    pub fn find(&mut self, id: BoardId) -> Option<&mut Board> {
        let place = usize::from(id.place);
        let lent = self.loans.get(place).is_some_and(|loan| loan.number == id.number);
        if lent { self.boards.get_mut(place) } else { None }
    }

    /// Boards that were taken from legs since this was last asked.
    pub const fn take_reclaimed(&mut self) -> u64 {
        std::mem::replace(&mut self.reclaimed, 0)
    }

    /// Ends a loan.
    fn recall(&mut self, place: u16) {
        let loan = &mut self.loans[usize::from(place)];
        loan.number = loan.number.wrapping_add(1);
        let Loan { earlier, later, .. } = *loan;
        match self.loans.get_mut(usize::from(earlier)) {
            Some(before) => before.later = later,
            None => self.first = later,
        }
        match self.loans.get_mut(usize::from(later)) {
            Some(behind) => behind.earlier = earlier,
            None => self.last = earlier,
        }
        self.free.push(place);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boards_come_back() {
        let mut boards = Boards::new(1);
        let mut one = boards.take();
        boards.give_back(&mut one);
        assert!(one == BoardId::NONE && boards.take() != BoardId::NONE);
        assert_eq!(boards.take_reclaimed(), 0);
    }

    #[test]
    fn the_board_that_was_lent_first_is_taken_back_when_there_is_no_other() {
        let mut boards = Boards::new(3);
        let [a, mut b, c] = [boards.take(), boards.take(), boards.take()];
        boards.give_back(&mut b);
        let [d, e] = [boards.take(), boards.take()];
        assert!(boards.find(a).is_none() && boards.find(c).is_some() && boards.find(d).is_some());
        let mut late = a;
        boards.give_back(&mut late);
        assert!(boards.find(e).is_some(), "who lost a board gives nobody else's back");
        let f = boards.take();
        assert!(boards.find(c).is_none() && boards.find(d).is_some() && boards.find(f).is_some());
        assert_eq!((boards.take_reclaimed(), boards.take_reclaimed()), (2, 0));
    }

    #[test]
    fn where_there_are_no_boards_nobody_gets_one() {
        assert!(Boards::new(0).take() == BoardId::NONE);
    }
}
