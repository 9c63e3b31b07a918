"""From a folder of speech to a mask, page by page."""
