//! One metric's value to one replica count.
