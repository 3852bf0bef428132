"""Who may ask, under which name, and how often: tokens of seats, keys of workers, names, limits."""
