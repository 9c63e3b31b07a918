"""Where the emotion-sensitive neurons sit: the heatmap."""
