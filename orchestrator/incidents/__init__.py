"""What went wrong with processes and with Redis, which calls noticed it and by how much; and what is wrong now."""
