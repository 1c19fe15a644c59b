"""Studies that train and evaluate many heads and report intervals: `noise_study`."""
