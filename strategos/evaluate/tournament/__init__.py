"""Tournaments: a plan, its games played on all cores and recorded, ratings, and a page to read.

`plan` says what is played and `entrants` by whom, `jobs` cuts rounds into pieces, `games` keeps what was
played on disk, `play` plays it, `results` rates, `shown_games`, `page` and `files` write it down.
"""
