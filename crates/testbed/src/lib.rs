//! For tests only: workers, fake clocks, filters.
