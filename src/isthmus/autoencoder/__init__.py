"""The scikit-learn estimator, and how it is fitted."""
