"""Groups of `cifar10` commands: each module adds its own to the parser; what takes seconds to import waits."""
