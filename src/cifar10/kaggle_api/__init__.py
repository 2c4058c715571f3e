"""All that talks to Kaggle, through its own client: download a competition, submit to it, read the scores."""
