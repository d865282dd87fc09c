"""The health of a deployment: measured in Redis (`redis`, `workers`), judged without any I/O (`report`)."""
