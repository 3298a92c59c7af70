"""What `benchmarks/bench.py` measures: a module a kind of workload, and what they share."""
