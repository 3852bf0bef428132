"""Limits by address: whose they are, behind proxies too, and what is counted."""

from __future__ import annotations

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategos.server.access.addresses import Proxies, address_of
from strategos.server.access.limits import Connections, Requests
from strategos.server.settings import Settings, SettingsError, load_settings
from strategos.server.terms import HallError
from strategos.server.web.files import read_files

PROXY = "10.0.0.1"
BEHIND = Proxies([ip_network("10.0.0.0/24"), ip_network("fd00::/8")])


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("host", "known_as"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("::1", "::1"),
        ("2001:db8:0:1::7", "2001:db8:0:1::/64"),
        ("2001:db8:0:1:ffff::8", "2001:db8:0:1::/64"),
        ("2001:db8:0:2::7", "2001:db8:0:2::/64"),
        ("unix", "unix"),
        ("", "unknown"),
    ],
)
def test_an_address_as_limits_know_it(host, known_as):
    assert address_of(host) == known_as


@pytest.mark.parametrize(
    ("host", "hops", "caller"),
    [
        ("192.0.2.9", "198.51.100.1", "192.0.2.9"),  # no proxy of ours says so
        (PROXY, "", PROXY),
        (PROXY, "198.51.100.1", "198.51.100.1"),
        (PROXY, "203.0.113.5, 198.51.100.1", "198.51.100.1"),  # what stands before was written by the caller
        (PROXY, "198.51.100.1, 10.0.0.2", "198.51.100.1"),  # two proxies
        (PROXY, "10.0.0.9", "10.0.0.9"),
        (PROXY, "198.51.100.1, nonsense", PROXY),
        (PROXY, "198.51.100.1:4711", "198.51.100.1"),
        (PROXY, "[2001:db8::1]:4711", "2001:db8::/64"),
        ("fd00::1", "2001:db8::1", "2001:db8::/64"),
        ("::ffff:10.0.0.1", "198.51.100.1", "198.51.100.1"),
    ],
)
def test_who_asks_behind_a_proxy(host, hops, caller):
    assert BEHIND.caller(host, hops) == caller


@given(st.ip_addresses().map(str), st.text(max_size=60) | st.lists(st.ip_addresses().map(str)).map(", ".join))
def test_without_trusted_proxies_no_header_is_believed(host, hops):
    assert Proxies(()).caller(host, hops) == address_of(host)


@given(
    st.lists(st.ip_addresses().map(str), max_size=5),
    st.ip_addresses(v=4).filter(lambda address: not BEHIND.trusts(str(address))).map(str),
)
def test_nothing_a_caller_writes_changes_who_it_is(forged, true):
    assert BEHIND.caller(PROXY, ", ".join([*forged, true])) == true


def test_trusted_proxies_are_addresses_or_networks(tmp_path, monkeypatch):
    file = tmp_path / "host.toml"
    file.write_text('trusted_proxies = ["10.0.0.0/8", "192.0.2.1", "fd00::/8"]\n')
    assert [str(each) for each in load_settings(file).trusted_proxies] == [
        "10.0.0.0/8", "192.0.2.1/32", "fd00::/8",
    ]  # fmt: skip
    file.write_text('trusted_proxies = ["proxy.example"]\n')
    with pytest.raises(SettingsError, match=r"trusted_proxies\.0: .*ipv4 or ipv6 network"):
        load_settings(file)
    monkeypatch.setenv("STRATEGOS_TRUSTED_PROXIES", '["10.1.0.0/16"]')
    assert str(load_settings(file).trusted_proxies[0]) == "10.1.0.0/16"
    monkeypatch.setenv("STRATEGOS_TRUSTED_PROXIES", "10.1.0.0/16")
    with pytest.raises(SettingsError, match=r"STRATEGOS_TRUSTED_PROXIES .* \[\"one\", \"two\"\]"):
        load_settings(file)


def test_requests_are_counted_by_address_and_by_way():
    clock = Clock()
    requests = Requests(Settings(requests_per_second=3), clock=clock)
    for _ in range(3):
        requests.take("a", "grpc")
    with pytest.raises(HallError, match="more than 3 requests a second from this address") as refused:
        requests.take("a", "grpc")
    assert refused.value.code == "exhausted"
    requests.take("b", "grpc")
    requests.take("a", "http")
    clock.now += 1
    requests.take("a", "grpc")
    requests.settings = Settings(requests_per_second=1)  # read again: the next second holds less
    clock.now += 10
    requests.take("a", "grpc")
    with pytest.raises(HallError, match="more than 1 requests"):
        requests.take("a", "grpc")


def test_requests_over_http_have_a_limit_of_their_own():
    clock = Clock()
    requests = Requests(Settings(requests_per_second=1e6), clock=clock)
    for _ in range(3000):
        requests.take("a", "http")
    for _ in range(2):
        with pytest.raises(HallError, match="more than 200 requests"):
            requests.take("a", "http")
        clock.now += 1
        for _ in range(200):
            requests.take("a", "http")


def test_a_hundred_people_behind_one_address_open_the_page_at_once():
    requests, asked = Requests(Settings(), clock=Clock()), 5  # for the page itself, agents, rooms, a seat
    for _ in range(100 * (len(read_files()) + asked)):
        requests.take("a", "http")


@pytest.mark.parametrize("way", ["grpc", "websocket"])
def test_two_hundred_agents_of_one_machine_play_at_full_speed(way):
    requests = Requests(Settings(), clock=Clock())
    for _ in range(200 * 50):  # in one second, twice of what a server on two cores answers
        requests.take("127.0.0.1", way)


def test_streams_over_lines_that_are_there_are_no_new_connections():
    connections = Connections(Settings(connections_per_address=2, connects_per_second=1), clock=Clock())
    for _ in range(50):  # short games of one program, one after the other
        too_many = pytest.raises(HallError, match="too many connections from this address")
        with connections.held("a"), connections.held("a"), too_many:
            connections.open("a")
    assert connections.total == 0


def test_new_connections_come_no_faster_than_they_may():
    clock = Clock()
    connections = Connections(Settings(connections_per_address=2, connects_per_second=5), clock=clock)
    for _ in range(5):
        connections.open("a")
        connections.close("a")
    with pytest.raises(HallError, match="too many new connections"):
        connections.open("a")
    connections.open("b")
    clock.now += 1
    connections.open("a")
    assert connections.total == 2


@pytest.mark.parametrize("proxy", [PROXY, f"::ffff:{PROXY}", "fd00::1"])
def test_lines_of_a_proxy_count_for_the_whole_and_callers_for_themselves(proxy):
    trusted = ("10.0.0.0/24", "fd00::/8")
    settings = Settings(connections=3, connections_per_address=1, trusted_proxies=trusted)
    connections = Connections(settings, clock=Clock())
    for _ in range(3):
        connections.open(proxy)
    with pytest.raises(HallError, match="as many connections as it takes"):
        connections.open(proxy)
    first, second, again = (connections.behind_proxy(f"198.51.100.{end}", new=True) for end in (1, 2, 1))
    with first, second:
        with pytest.raises(HallError, match="too many connections from this address"), again:
            pass
        assert connections.total == 3
    with connections.behind_proxy("198.51.100.1", new=True):
        pass
    for _ in range(3):
        connections.close(proxy)
    assert connections.total == 0
