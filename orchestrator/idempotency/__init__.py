"""Orders with an `Idempotency-Key`: carried out once, and answered the same way each time."""
