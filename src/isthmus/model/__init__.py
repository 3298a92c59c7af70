"""A fitted model without scikit-learn: mapped, measured, stored and exported."""
