"""Strategies and relations are a package `properties`, which also runs by itself: `make properties`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
collect_ignore = [path.name for path in Path(__file__).parent.glob("[!t]*.py")]
