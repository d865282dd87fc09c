"""What the workers have counted, in Redis, because nothing can connect to a worker."""
