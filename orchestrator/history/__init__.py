"""The history of the last day: what all processes have counted, minute by minute, in a store of bounded size."""
