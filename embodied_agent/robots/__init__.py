"""Robots: what they are (description, model) and how to reach them (back ends)."""
