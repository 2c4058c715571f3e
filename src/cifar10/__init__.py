"""From Kaggle's cifar-10 archives to a checked submission in five DVC stages."""
