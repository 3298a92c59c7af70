"""What is wrong with a table: checks of its rows, columns and cells, and a page about them."""

from isthmus.audit.audit import ENDINGS as ENDINGS
from isthmus.audit.audit import Audit as Audit
from isthmus.audit.cells import CellJudgements as CellJudgements
from isthmus.audit.cells import judge_cells as judge_cells
from isthmus.audit.checks import find_problems as find_problems
from isthmus.audit.findings import Finding as Finding
