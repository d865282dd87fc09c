"""Everything that is made to do an empty job. Each module has `lines()`; see `benchmarks.driver`.

The ones of other queues run in an environment of their own: `requirements-bench.txt`.
"""
