"""What a turn costs, measured next to other queues and the floor. `python -m benchmarks`, or `make bench`.

A contender is a module of `benchmarks.contenders` that is worked by `benchmarks.driver` in a process of its own, in the
environment that its packages live in. A measurement is a module of `benchmarks.measurements`; it has
contenders run in turns, so that what disturbs one disturbs all, and ratios survive a noisy machine.
"""
