"""One room per stage of dvc.yaml: files in, a library call, files out."""
