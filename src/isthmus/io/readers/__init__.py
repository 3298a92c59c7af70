"""Readers of tables, a file for each format."""
