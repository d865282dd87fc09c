"""The processes of a deployment, ingresses and workers: what each reports of itself, and how it is by that."""
