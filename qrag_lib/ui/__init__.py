"""Panels for notebooks and for the dashboard: state without widgets, and views that mirror it.

::

    ask_state  a question, how far to look, and what came back
    ask_view   its widgets
"""
