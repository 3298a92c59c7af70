"""Pages about models, detectors and rows."""
