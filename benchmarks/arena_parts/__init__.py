"""Parts of `benchmarks/arena.py`: what it compares, on which sentences, how it trains, and how it reports."""
