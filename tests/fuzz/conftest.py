"""The fuzzers are a package `fuzz`, which also runs without tests: `make fuzz`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
collect_ignore = [path.name for path in Path(__file__).parent.glob("[!t]*.py")]
