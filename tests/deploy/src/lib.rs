//! Holds the deployment files against the programs: see `tests/`.
