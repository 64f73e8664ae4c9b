"""Panels for notebooks and for the dashboard: state without widgets, and views that mirror it."""
