"""Sensitive turns: what they bring is encrypted in the ingress, and opened for the run of the agent alone.

`orchestrator.conversation.sensitive` says which turns are sensitive.
"""
