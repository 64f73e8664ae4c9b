"""Servers that speak OpenAI's API.

::

    openai_api    such a server as an engine
    openai_wire   what it sends, read with suspicion
    retry_policy  how long it is waited for, and when it is left alone
"""
