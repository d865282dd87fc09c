"""The dashboard: the current state of calls, workers and queue, on one page without external resources."""
