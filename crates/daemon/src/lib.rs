//! The loop behind `run` and `attach`: one event enum; owns clock, order and budgets.
