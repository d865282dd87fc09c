"""What is measured. Each module has a coroutine function or several of `(bench)`; `benchmarks.programme` lists them."""
