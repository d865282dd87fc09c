"""Several web processes on one port (`WEB_PROCESSES`): a supervisor that starts, watches and replaces them."""
