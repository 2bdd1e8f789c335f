"""Scripted ends of a connection: they do exactly what a scenario says, and write down what they did."""

from .conversation import MESSAGE, deliver, reach, serve, settle, speak
from .peer import Peer
from .tls import Authority, hello, secure, take_hello

__all__ = [
    "MESSAGE",
    "Authority",
    "Peer",
    "deliver",
    "hello",
    "reach",
    "secure",
    "serve",
    "settle",
    "speak",
    "take_hello",
]
