"""Populations and who plays whom; nothing here trains or knows a game's rules."""
