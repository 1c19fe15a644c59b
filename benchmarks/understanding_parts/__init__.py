"""Parts of `understanding.py`: what is computed, its tables and its pictures."""
