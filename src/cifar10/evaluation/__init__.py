"""Scores, and the report that explains them."""
