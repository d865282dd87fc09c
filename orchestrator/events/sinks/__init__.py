"""Where events go: a webhook, a file, a database, or a class of yours."""
