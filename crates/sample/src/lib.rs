//! /proc, cgroups and PSI read into samples.
