//! Whose address is this? Onboarded prefixes, edge addresses, protocols, ports -> app.
