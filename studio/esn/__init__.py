"""The method: emotion-sensitive neurons, from gate statistics to masks to interventions (arXiv 2603.17231)."""
