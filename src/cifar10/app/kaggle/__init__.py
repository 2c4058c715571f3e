"""Submissions, scores and the leaderboard."""
