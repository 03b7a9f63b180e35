//! What runs inside a stack, tried as its containers start it: the binary
//! itself, real folders, real sockets on loopback.

mod agent;
mod bootstrap;
mod edge;
mod fakes;
mod launch;
mod probe;
mod stack;
