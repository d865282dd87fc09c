"""What the workers count and do, as they report it through Redis: for `/metrics/fleet`."""
