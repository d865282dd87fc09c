"""Agents that were made with a framework: what `AGENT`, or a route, names is the framework's own object.

    recognition      which framework an object is of; imports no framework
    options          what the settings say of them
    framework_agent  one turn, as far as it is the same for all frameworks
    events           what a run of a framework tells: text, tool calls, their results
    tool_log         the tool calls of one turn: their records and their spans
    pydantic_ai      `pydantic_ai.Agent`
    langgraph        a compiled graph
    openai_agents    `agents.Agent` of the OpenAI Agents SDK

A framework is imported by its adapter alone, and an adapter only when the user's module has imported the framework.
"""
