//! AWS access for the operator's programs: their own credentials, and a stack found by its name.

pub mod aws;
