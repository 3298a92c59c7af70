"""Layers, activations, convolution, random bits and the step of a training."""
