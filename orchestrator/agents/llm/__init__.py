"""The built-in agent `llm`: a language model answers, through pydantic-ai.

All that it knows of a call is in the state, so any process can take the next turn.

    agent            one turn: asks the model, says and does what it answers
    message_history  the call so far as messages of pydantic-ai
    prompt           the system prompt
    hedging          asks the fallback model too when the first one is late or fails
    instrumentation  pydantic-ai's own spans, while traces are on
    models           a client for each model name, one set per event loop
    toolset          runs the tools that a model calls, each call once
    tools            the built-in tools, and finding yours

Other packages use only `load_model_agent`. pydantic-ai takes seconds to import, so it is imported only when this agent
is loaded.
"""

from orchestrator.agents.llm.loading import load_model_agent

__all__ = ["load_model_agent"]
