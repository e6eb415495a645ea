//! Frame buffers of a port in memory: a fixed pool, to which every buffer returns on drop.

use crate::port::{Frame, RxMeta, TxMeta};
use crossbeam::queue::ArrayQueue;
use std::sync::Arc;

struct Buffer {
    bytes: Box<[u8]>,
    len: usize,
    rx: RxMeta,
    tx: TxMeta,
}

/// Buffers that nobody holds.
#[derive(Clone)]
pub(super) struct Pool {
    idle: Arc<ArrayQueue<Box<Buffer>>>,
}

impl Pool {
    /// `frames` buffers (at least one) of `frame_bytes` each.
    pub(super) fn new(frames: usize, frame_bytes: usize) -> Self {
        let idle = ArrayQueue::new(frames.max(1));
        for _ in 0..frames.max(1) {
            let bytes = vec![0; frame_bytes].into_boxed_slice();
            let buffer = Box::new(Buffer { bytes, len: 0, rx: RxMeta::default(), tx: TxMeta::default() });
            idle.push(buffer).ok().expect("the queue was made for this many");
        }
        Self { idle: Arc::new(idle) }
    }

    /// A buffer of length 0; its bytes are those of its last use.
    #[inline]
    pub(super) fn take(&self) -> Option<MemFrame> {
        let mut buffer = self.idle.pop()?;
        (buffer.len, buffer.rx, buffer.tx) = (0, RxMeta::default(), TxMeta::default());
        Some(MemFrame { buffer: Some(buffer), home: self.clone() })
    }

    /// Buffers that somebody holds.
    pub(super) fn held(&self) -> usize {
        self.idle.capacity() - self.idle.len()
    }
}

/// One frame in memory.
pub struct MemFrame {
    /// There until drop.
    buffer: Option<Box<Buffer>>,
    home: Pool,
}

const HERE: &str = "a frame has its buffer until it is dropped";

impl MemFrame {
    /// Says of the frame what a device would.
    pub fn set_rx_meta(&mut self, meta: RxMeta) {
        self.buffer_mut().rx = meta;
    }

    /// What the sender asked the device to do.
    pub fn tx_meta(&self) -> TxMeta {
        self.buffer().tx
    }

    /// Makes this frame a copy of `bytes`; `false`, and nothing changed, when they do not fit.
    pub fn fill(&mut self, bytes: &[u8]) -> bool {
        let fits = self.set_len(bytes.len());
        if fits {
            self.bytes_mut().copy_from_slice(bytes);
        }
        fits
    }

    #[inline]
    fn buffer(&self) -> &Buffer {
        self.buffer.as_ref().expect(HERE)
    }

    #[inline]
    fn buffer_mut(&mut self) -> &mut Buffer {
        self.buffer.as_mut().expect(HERE)
    }
}

impl Frame for MemFrame {
    #[inline]
    fn bytes(&self) -> &[u8] {
        let buffer = self.buffer();
        &buffer.bytes[..buffer.len]
    }

    #[inline]
    fn bytes_mut(&mut self) -> &mut [u8] {
        let buffer = self.buffer_mut();
        &mut buffer.bytes[..buffer.len]
    }

    #[inline]
    fn set_len(&mut self, len: usize) -> bool {
        let buffer = self.buffer_mut();
        let fits = len <= buffer.bytes.len();
        if fits {
            buffer.len = len;
        }
        fits
    }

    #[inline]
    fn capacity(&self) -> usize {
        self.buffer().bytes.len()
    }

    #[inline]
    fn rx_meta(&self) -> RxMeta {
        self.buffer().rx
    }

    #[inline]
    fn set_tx_meta(&mut self, meta: TxMeta) {
        self.buffer_mut().tx = meta;
    }
}

impl Drop for MemFrame {
    #[inline]
    fn drop(&mut self) {
        if let Some(buffer) = self.buffer.take() {
            // The queue has a slot for every buffer of the pool, so this cannot be refused.
            let refused = self.home.idle.push(buffer).is_err();
            debug_assert!(!refused, "a frame came home to a full pool");
        }
    }
}
