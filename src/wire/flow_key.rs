//! The five-tuple of a frame as it arrived.

use crate::base::{Addr, Endpoint};

/// A layer-4 protocol that apps are made of.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
#[repr(u8)]
pub enum Protocol {
    /// TCP, IP protocol 6.
    Tcp = 6,
    /// UDP, IP protocol 17.
    Udp = 17,
}

/// The five-tuple in the direction of the frame: `src` sent it, `dst` is one of ours.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct FlowKey {
    /// Who sent it.
    pub src: Addr,
    /// Our side: an edge address, an egress address or a port's own.
    pub dst: Addr,
    /// The sender's port.
    pub src_port: u16,
    /// Our side's port.
    pub dst_port: u16,
    /// TCP or UDP.
    pub protocol: Protocol,
}

impl FlowKey {
    /// The same flow as seen in frames of the other direction.
    #[inline]
    pub const fn reversed(self) -> Self {
        Self {
            src: self.dst,
            dst: self.src,
            src_port: self.dst_port,
            dst_port: self.src_port,
            protocol: self.protocol,
        }
    }

    /// The sender.
    #[inline]
    pub const fn src_endpoint(self) -> Endpoint {
        Endpoint { addr: self.src, port: self.src_port }
    }

    /// Our side.
    #[inline]
    pub const fn dst_endpoint(self) -> Endpoint {
        Endpoint { addr: self.dst, port: self.dst_port }
    }
}
