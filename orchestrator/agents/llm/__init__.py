"""The built-in agent `llm`: a language model answers, through pydantic-ai.

All it knows of a call is in the state, so any process can go on with any of its calls.

    agent    one turn: asking, saying, doing             conversation the state as the model sees it
    patience the model, or the fallback when it is late  models       names to clients, one set per event loop
    toolbox  running tools, each call once               tools        the built-in ones, and finding yours
    persona  what the model is told of its job           unicode      pairs that arrive in halves

Only `load_model_agent` is for others. pydantic-ai takes seconds to import, so it is imported when this agent is asked
for, and not before.
"""

from orchestrator.agents.llm.loading import load_model_agent

__all__ = ["load_model_agent"]
