"""What fills the slots of the equation."""
