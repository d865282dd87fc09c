"""The schedule of a call: what is to happen later or elsewhere. Its timers, activities and text messages."""
