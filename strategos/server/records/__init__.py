"""What is kept: the journal of what is being played, files of what has ended, and ratings."""
