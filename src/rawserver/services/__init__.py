"""The other rooms joined into things one can run."""
