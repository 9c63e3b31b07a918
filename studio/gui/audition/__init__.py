"""Listening: lanes, words, transport, takes and the steering panel."""
