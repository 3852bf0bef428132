"""How strong an agent is: ladders against the bots, tournaments, reports and replays in a browser."""
