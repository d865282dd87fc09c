"""A turn's life: inbox, lease, run, commit."""
