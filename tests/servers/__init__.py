"""Storage as it is in the wild, on loopback: real servers of Debian, and stand-ins for what cannot be had."""
