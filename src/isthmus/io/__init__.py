"""Files in and out; knows no JAX."""
