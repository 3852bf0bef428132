"""Learning algorithms, one a file, over shared and tested maths. No games, no files, no clocks."""
