//! All that workers read, frozen; and the cell through which they get it.
