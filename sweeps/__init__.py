"""Many runs: expand a command into frozen configurations, plan, launch, watch. No torch."""
