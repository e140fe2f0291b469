//! From readings to a verdict. Pure: no I/O, no clock, no randomness.
