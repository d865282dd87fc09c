"""The reports of processes in Redis, and the orders to drain."""
