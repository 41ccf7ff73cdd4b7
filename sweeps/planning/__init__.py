"""From a command line to frozen configurations: overrides, composition, checks, the plan and its searches."""
