"""Photographs with noise: what is read, the contestants, and what is printed."""
