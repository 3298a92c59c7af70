"""Detectors of outliers made of many autoencoders."""
