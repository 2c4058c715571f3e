"""Where dvc.yaml has the stages put what the commands read; the stages themselves are told by their arguments."""

from pathlib import Path

MODEL = Path("models/model.pt")
HISTORY = Path("reports/train/history.csv")
METRICS = Path("reports/eval/metrics.json")
REPORT = Path("reports/report.html")
SUBMISSION = Path("submissions/submission.csv")
