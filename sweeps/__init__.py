"""Many runs: expand a command into frozen configurations, plan, launch, monitor. No torch."""
