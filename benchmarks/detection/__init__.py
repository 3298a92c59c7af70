"""What the benchmark of detectors is made of: public sets, detectors, runs of them, and reports."""
