//! Who is talking: flow keys to session legs, source ports towards origins.
