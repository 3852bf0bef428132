"""Tokens of seats: forged, ended, foreign and old ones are refused; keys rotate and nobody is thrown out."""

from __future__ import annotations

import base64
import inspect
import json
import stat

import jwt
import pytest
from halls import duel, run, settings

from strategos.server.access.tokens import SPECTATOR, Tokens
from strategos.server.hall import Hall, HallError

HOUR = 3600.0


class WallClock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return WallClock()


@pytest.fixture
def tokens(tmp_path, clock):
    return Tokens(tmp_path / "keys.json", life_s=HOUR, key_s=24 * HOUR, clock=clock)


def refused(tokens: Tokens, token, room: str | None = None) -> str:
    with pytest.raises(HallError) as caught:
        tokens.check(token, room)
    assert caught.value.code == "forbidden"
    return caught.value.message


def test_a_token_says_room_and_chair(tokens):
    token, ident = tokens.issue("room", 3)
    claims = tokens.check(token, "room")
    assert (claims.room, claims.chair, claims.ident) == ("room", 3, ident)
    watcher, _ = tokens.issue("room", SPECTATOR)
    assert tokens.check(watcher).chair == SPECTATOR


@pytest.mark.parametrize("token", ["", "a", "a.b.c", "." * 900, "x" * 5000, None, 7, b"bytes", "é.é.é"])
def test_j1_no_token_and_what_is_none(tokens, token):
    refused(tokens, token)


def test_j2_expired(tokens, clock):
    token, _ = tokens.issue("room", 0)
    tokens.check(token)
    clock.now += HOUR  # also where it was checked before
    refused(tokens, token)


def test_j3_token_of_another_game(tokens):
    token, _ = tokens.issue("game a", 0)
    refused(tokens, token, "game b")


def test_j4_a_seat_is_taken_once(tmp_path):
    async def work():
        async with Hall(settings(tmp_path)) as hall:
            first, second = await duel(hall)
            with pytest.raises(HallError) as caught:
                await hall.join(first.code, name="eve", address="e")
            assert caught.value.code == "late"
            assert hall.check(second.token).seat == 1

    run(work())


def test_j5_no_algorithm_and_wrong_key(tokens, tmp_path, clock):
    token, _ = tokens.issue("room", 0)
    said = jwt.decode(token, options={"verify_signature": False})
    kid = jwt.get_unverified_header(token)["kid"]
    refused(tokens, jwt.encode(said, "", algorithm="none", headers={"kid": kid}))
    for name in ("HS256", "HS512"):
        refused(tokens, jwt.encode(said, "k" * 64, algorithm=name, headers={"kid": kid}))
    refused(tokens, jwt.encode(said, "k" * 64, algorithm="HS256", headers={"kid": "other"}))
    refused(tokens, jwt.encode(said, "k" * 64, algorithm="HS256"))
    own = base64.b64decode(json.loads((tmp_path / "keys.json").read_text())[-1]["secret"])
    refused(
        tokens, jwt.encode(said, own, algorithm="HS512", headers={"kid": kid})
    )  # our key, not our algorithm
    other = Tokens(tmp_path / "other.json", life_s=HOUR, key_s=24 * HOUR, clock=clock)
    refused(tokens, other.issue("room", 0)[0])


@pytest.mark.parametrize("missing", ["aud", "sub", "jti", "exp"])
def test_j5_a_signed_token_that_lacks_something(tokens, tmp_path, missing):
    key = json.loads((tmp_path / "keys.json").read_text())[-1]
    said = {"aud": "room", "sub": "0", "jti": "x", "exp": 2_000_000}
    del said[missing]
    secret = base64.b64decode(key["secret"])
    refused(tokens, jwt.encode(said, secret, algorithm="HS256", headers={"kid": key["kid"]}))


def test_every_changed_character_is_refused(tokens):
    token, _ = tokens.issue("room", 0)
    for place in range(0, len(token) - 1, 7):
        changed = token[:place] + ("A" if token[place] != "A" else "B") + token[place + 1 :]
        refused(tokens, changed)


def test_all_refusals_have_the_same_words(tokens, clock):
    token, _ = tokens.issue("room", 0)
    said = {refused(tokens, "a.b.c"), refused(tokens, token + "x"), refused(tokens, token, "other")}
    clock.now += HOUR
    assert said == {refused(tokens, token)}


def test_j6_signatures_are_compared_in_constant_time():
    from jwt.algorithms import HMACAlgorithm

    assert "compare_digest" in inspect.getsource(HMACAlgorithm.verify)
    import strategos.server.access.tokens as ours

    assert "signature" not in inspect.getsource(ours)  # nothing here compares one


def test_j7_keys_tokens_and_ids_cannot_be_guessed(tokens, tmp_path):
    idents = {tokens.issue("room", 0)[1] for _ in range(200)}
    assert len(idents) == 200 and min(map(len, idents)) * 6 >= 128
    secret = base64.b64decode(json.loads((tmp_path / "keys.json").read_text())[0]["secret"])
    assert len(secret) * 8 >= 256
    assert stat.S_IMODE((tmp_path / "keys.json").stat().st_mode) == 0o600


def test_j8_rotation_overlaps(tokens, tmp_path, clock):
    old, _ = tokens.issue("room", 0)
    tokens.rotate()
    new, _ = tokens.issue("room", 1)
    assert jwt.get_unverified_header(old)["kid"] != jwt.get_unverified_header(new)["kid"]
    again = Tokens(tmp_path / "keys.json", life_s=HOUR, key_s=24 * HOUR, clock=clock)  # after a restart, too
    for each in (tokens, again):
        assert each.check(old).chair == 0 and each.check(new).chair == 1
    clock.now += HOUR + 1
    tokens.rotate()  # no token of the first key can live any more
    kids = [key["kid"] for key in json.loads((tmp_path / "keys.json").read_text())]
    assert jwt.get_unverified_header(old)["kid"] not in kids


def test_a_key_that_is_old_is_replaced_at_the_start(tmp_path, clock):
    first = Tokens(tmp_path / "keys.json", life_s=HOUR, key_s=24 * HOUR, clock=clock).issue("room", 0)[0]
    clock.now += 25 * HOUR
    second = Tokens(tmp_path / "keys.json", life_s=HOUR, key_s=24 * HOUR, clock=clock).issue("room", 0)[0]
    assert jwt.get_unverified_header(first)["kid"] != jwt.get_unverified_header(second)["kid"]


def test_a_key_that_grows_old_while_the_server_runs_is_replaced(tokens, clock):
    first = tokens.issue("room", 0)[0]
    clock.now += 25 * HOUR
    assert (
        jwt.get_unverified_header(first)["kid"]
        != jwt.get_unverified_header(tokens.issue("room", 0)[0])["kid"]
    )


def test_damaged_keys_say_what_to_do(tmp_path):
    (tmp_path / "keys.json").write_text("[{]")
    with pytest.raises(ValueError, match=r"keys\.json are damaged; remove"):
        Tokens(tmp_path / "keys.json", life_s=HOUR, key_s=HOUR)


def test_j9_a_seat_that_is_left_has_no_token_any_more(tmp_path):
    async def work():
        async with Hall(settings(tmp_path)) as hall:
            first, second = await duel(hall)
            hall.leave(second.token)
            with pytest.raises(HallError) as caught:
                hall.snapshot(second.token)
            assert caught.value.code == "forbidden"
            hall.snapshot(first.token)

    run(work())
