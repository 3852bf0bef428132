"""Load for a server: many agents play by chance, and what they wait for is measured.

`measure.measure` does it all: it starts processes (`worker`), each of which seats its players through real
calls (`seats` over gRPC, `sockets` over WebSocket, `tls` for both) and lets them play (`tables`); `figures`
is what comes of it, `own_server` a server to measure where there is none. Importing this loads nothing.
"""
