"""Sound in and out: clips, files, loudness, pitch, waveform peaks and the player."""
