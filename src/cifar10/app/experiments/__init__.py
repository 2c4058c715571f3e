"""Recipes, and runs side by side."""
