//! Hostile archives are refused, everybody else's archives are read as others read them.

mod accept;
mod hostile;
