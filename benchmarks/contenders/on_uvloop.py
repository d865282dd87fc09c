"""Runs a module as `python -m` does, on uvloop: `python -m benchmarks.contenders.on_uvloop saq …`.

Some queues' commands know no uvloop. The product uses it, so they get it too.
"""

import runpy
import sys

import uvloop

if __name__ == "__main__":
    uvloop.install()
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
