"""What this project costs and gives, measured: `python -m benchmarks [ingest|query|memory|retrieval]`.

A benchmark takes its figures in fresh processes, states its targets as ratios within one run, and
writes `experiments/benchmarks/REPORT.md` and `results.csv`. Nothing here is a test.
"""
