//! The suite that every engine passes, and what is particular to one.

mod conformance;
mod crash;
mod engines;
mod fixture;
