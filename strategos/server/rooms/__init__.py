"""Where games are played: rooms from lobby to end, the pools of their records, and the clockwork."""
