//! How often a faulty port does what, and how often it did.

/// A chance in parts per million; a million is always.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Ppm(pub u32);

impl Ppm {
    /// Never.
    pub const NEVER: Self = Self(0);
    /// Every time.
    pub const ALWAYS: Self = Self(1_000_000);

    /// From percent.
    pub const fn percent(percent: u32) -> Self {
        Self(percent * 10_000)
    }
}

/// The chances of one direction. All chances but the stall's are a frame's; several may strike one frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct FaultRates {
    /// The frame is lost.
    pub lose: Ppm,
    /// The frame comes twice.
    pub repeat: Ppm,
    /// The frame comes one turn late, and behind all frames of that turn.
    pub reorder: Ppm,
    /// The frame comes late by 1 to `delay_turns_max` turns.
    pub delay: Ppm,
    /// One bit of the frame is flipped.
    pub corrupt: Ppm,
    /// The frame loses its tail.
    pub truncate: Ppm,
    /// A turn's chance to begin a stall of 1 to `stall_turns_max` turns, in which nothing passes.
    pub stall: Ppm,
    /// The longest delay, in turns (calls of `Port::receive`).
    pub delay_turns_max: u32,
    /// The longest stall, in turns.
    pub stall_turns_max: u32,
}

/// What was done to one direction.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct FaultCounts {
    /// Frames that came out, twins included.
    pub passed: u64,
    /// Frames lost by chance.
    pub lost: u64,
    /// Frames that should have come twice, but no buffer was left for the twin.
    pub twinless: u64,
    /// Twins made.
    pub repeated: u64,
    /// Frames held back behind later ones.
    pub reordered: u64,
    /// Frames that came late.
    pub delayed: u64,
    /// Frames with a flipped bit.
    pub corrupted: u64,
    /// Frames that lost their tail.
    pub truncated: u64,
    /// Turns in which nothing passed.
    pub stalled_turns: u64,
}
