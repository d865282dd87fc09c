"""Who took a call that was transferred: what the telephones that were rung have said about it."""
