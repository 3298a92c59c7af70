"""The commands: each in a file of its name, declaration and body together."""
