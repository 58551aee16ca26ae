//! One test binary: user stories through GraphQL, the launcher, and the rules of the tree.

mod access;
mod allinone;
mod e2e;
mod process;
mod tidy;
