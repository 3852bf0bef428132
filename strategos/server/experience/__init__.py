"""Games as experience: chunks of what each player saw, chose and gained, and who takes them."""
