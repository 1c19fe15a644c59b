"""This package's CPU engine beside other simulators: `cases` to measure, `engines` that run them, each in a process."""
