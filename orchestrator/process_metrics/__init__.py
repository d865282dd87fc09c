"""What a process counts, wherever in the code it happens: `catalog` has the metrics, a worker reports them to Redis."""
