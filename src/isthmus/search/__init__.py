"""The search over parameters."""
