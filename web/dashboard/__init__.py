"""The dashboard: what goes on at the moment, on one page that needs nothing from elsewhere."""
