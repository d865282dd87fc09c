"""The incidents of a deployment in Redis, where any of its processes may report one."""
