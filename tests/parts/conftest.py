"""The file that a user might write is imported by its tests alone: it registers its classes."""

collect_ignore = ["blocks.py"]
