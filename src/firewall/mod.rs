//! May this one come in? IP access rules by zone.
