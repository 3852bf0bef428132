"""Bodies of Engine.IO and packets of Socket.IO, whole and broken."""

from __future__ import annotations

import json

import pytest
from engine_io_house import run
from hypothesis import given
from hypothesis import strategies as st
from wire import wire

from strategos.server.generalsio import frames
from strategos.server.generalsio.frames import FrameError, decode_body, encode_body
from strategos.server.generalsio.socket_io import PacketError, parse_packet


@given(
    version=st.sampled_from(frames.VERSIONS),
    packets=st.lists(st.text(min_size=1).map("4".__add__), min_size=1),
    in_bytes=st.booleans(),
)
def test_packets_survive_a_body(version, packets, in_bytes):
    packets = [packet.replace(frames.SEPARATOR, "") for packet in packets]
    if version == 3 and not in_bytes:
        packets = [frames.ascii_json(packet) for packet in packets]
    try:
        body = encode_body(version, packets, in_bytes=in_bytes)
    except UnicodeEncodeError:
        return  # half a letter cannot be sent
    assert decode_body(version, body) == packets


@given(
    version=st.sampled_from(frames.VERSIONS),
    body=st.binary()
    | st.text(alphabet="0123456789:\x1e42[]").map(str.encode)
    | st.text(alphabet="\0\x01\x02\xff42[]").map(lambda text: text.encode("latin-1")),
)
def test_no_body_does_harm(version, body):
    try:
        packets = decode_body(version, body)
    except FrameError:
        return
    assert all(isinstance(packet, str) for packet in packets)


@given(text=st.text() | st.text(alphabet='0123456789/,[]{}"-ae?').map("42".__add__))
def test_no_message_does_harm(text):
    try:
        packet = parse_packet(text)
    except PacketError:
        return
    assert packet.kind in "0123"


@pytest.mark.parametrize(
    "text",
    [
        "2[" * 6000,
        "2" + "[" * 6000,
        "2[" + "9" * 5000 + "]",
        '2["a",NaN]',
        '2["a",1e999]',
        "2{}",
        "2[1]",
        "2" + "7" * 99,
    ],
)
def test_g2_g4_depths_and_lengths_of_json(text):
    with pytest.raises(PacketError):
        parse_packet(text)


def test_packets_are_read():
    assert parse_packet('2["a",1]') == ("2", "/", "", ["a", 1])
    assert parse_packet('212["a"]') == ("2", "/", "12", ["a"])
    assert parse_packet('2/chat,5["a"]') == ("2", "/chat", "5", ["a"])
    assert parse_packet("0") == ("0", "/", "", None)
    assert parse_packet('0/,{"token":"x"}') == ("0", "/", "", {"token": "x"})
    assert parse_packet("0/other?a=b") == ("0", "/other", "", None)
    assert parse_packet('2["a",1,1]').data == ["a", 1, 1]


def test_other_namespaces_are_refused():
    async def main(port, engine, application):
        async with wire(port) as socket:
            await socket.until("0")
            await socket.send("40/admin,")
            assert json.loads((await socket.until("44"))[len("44/admin,") :]) == {
                "message": "Invalid namespace"
            }

    run(main)
