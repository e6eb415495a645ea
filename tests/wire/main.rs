//! `wire` held against the RFCs by tables, against smoltcp's parser by arbitrary frames, and against its own emitters.

mod answers;
mod foreign;
mod quotes;
mod reasons;
