"""One file for each command of `strategos`; each has `run(arguments) -> exit code`."""
