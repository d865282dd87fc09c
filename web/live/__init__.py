"""What goes on now: one reading of calls, processes and health for everybody who looks at this ingress."""
