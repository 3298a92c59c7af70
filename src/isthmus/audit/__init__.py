"""What is wrong with a table: checks of its cells, columns and rows, and a page about them."""

from isthmus.audit.checks import find_problems as find_problems
from isthmus.audit.findings import Finding as Finding
