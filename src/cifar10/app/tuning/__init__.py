"""`cifar10 tune`: a space of parameters, a study that goes through it, its runs under DVC, and what came out."""
